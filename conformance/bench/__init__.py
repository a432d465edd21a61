"""Black-box load on Penfold and on Debian's servers, in the same run."""
