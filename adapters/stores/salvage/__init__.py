"""Rows out of a damaged SQLite file, into a new one.

SQLite itself gives up at the first page that is not as it should be.  So the file is read here as its format says
(https://sqlite.org/fileformat2.html, by whose sections the parts are named), page by page, and nothing that is found in
it is believed before it is looked at:

    pages     the file with what its write-ahead log has committed          (1, 4)
    records   the cells of a page, and the values in them                    (1.5, 1.6, 2.1)
    tables    which tables there should be, and how their rows are stored    (2.3, 2.4)
    trees     which page belongs to which table, also where the way is lost  (1.5, 1.7, 1.8)
    rebuild   all of it
"""
