/* Stands between a program and libc: writes down what the program does below one directory and says on sockets, fails
 * calls on demand, and sets the clock.  LD_PRELOAD it; shim.py compiles it, names its environment and its control file.
 *
 * One log file for all processes, opened with O_APPEND: the kernel puts one record behind the other, so the order in the
 * file is the order of all threads and processes, and nothing here can be left locked by a process that is killed.
 * What makes data safe, or tells a client of it, stands in the log so that no order can be claimed that was not there:
 * a write after it was done, a sync before it begins and after it has ended, what is sent before it is sent.
 *
 * Descriptors are asked each time what they are: a table of them would not notice what libc closes by itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC_BEGINS, SYNC_DONE, SYNC_FAILED, SYNC_SKIPPED, OPENED, MADE, REMOVED, RENAMED, SENDS, SENT };
enum { ON_WRITE = 1, ON_SYNC = 2, ON_OPEN = 4, ON_TRUNCATE = 8 };

struct record { /* followed by the path and the data */
    uint32_t magic;
    uint16_t kind, path;
    uint32_t pid, tid, data, port;
    uint64_t inode;
    int64_t offset, size;
} __attribute__((packed));

struct control { /* shared with the test, which changes it at any time */
    uint32_t is_armed, on;       /* fail calls of these kinds */
    uint32_t after, times;       /* the first of them go well, then so many fail */
    int32_t error;               /* 0: a short write */
    uint32_t met, failed;        /* counted here */
    uint32_t skips;              /* syncs of files like `skipped` are told done and are not */
    int64_t ahead;               /* nanoseconds that CLOCK_REALTIME is ahead */
    char pattern[256], skipped[256];
};

#define MAGIC 0x31524650u
#define TOLD 4096 /* octets of what is sent are logged up to this */

static int log_file = -1;
static char root[PATH_MAX];
static size_t root_length;
static struct control *control;

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PENFOLD_SHIM_LOG"), *below = getenv("PENFOLD_SHIM_ROOT");
    const char *shared = getenv("PENFOLD_SHIM_CONTROL");
    if (below) root_length = strlen(strcpy(root, below));
    if (shared) {
        int fd = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
        void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) control = at;
        syscall(SYS_close, fd);
    }
    if (path) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
        /* Far up, where no program looks for its own descriptors. */
        log_file = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, fd);
    }
}

/* ------------------------------------------------------------------------------------------ the log */

static int is_below(const char *path)
{
    return root_length && !strncmp(path, root, root_length) && (!path[root_length] || path[root_length] == '/');
}

static void put(int kind, const char *path, uint64_t inode, int64_t offset, int64_t size, uint32_t port,
                const struct iovec *pieces, int count, size_t length)
{
    int before = errno;
    struct record head = {MAGIC, kind, path ? strlen(path) : 0, getpid(), syscall(SYS_gettid), length, port, inode, offset, size};
    struct iovec all[2 + IOV_MAX];
    int used = 2;
    all[0] = (struct iovec){&head, sizeof head};
    all[1] = (struct iovec){(void *)path, head.path};
    for (int i = 0; i < count && length && used < IOV_MAX; i++) {
        size_t some = pieces[i].iov_len < length ? pieces[i].iov_len : length;
        all[used++] = (struct iovec){pieces[i].iov_base, some};
        length -= some;
    }
    head.data -= length; /* what did not fit, if anything */
    if (log_file >= 0) syscall(SYS_writev, log_file, all, used);
    errno = before;
}

/* The path of a regular file or directory below the root that a descriptor stands for; its inode. */
static int is_ours(int fd, char *path, uint64_t *inode)
{
    char link[64];
    struct stat about;
    int before = errno, found = 0;
    if (root_length && fd != log_file && syscall(SYS_fstat, fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        long length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
        path[length > 0 ? length : 0] = 0;
        *inode = about.st_ino;
        found = is_below(path);
    }
    errno = before;
    return found;
}

/* The port of the peer of a TCP socket, 1 for any other socket, 0 for what is no socket. */
static uint32_t peer(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    int before = errno;
    uint32_t port = 0;
    if (log_file >= 0 && syscall(SYS_getpeername, fd, &name, &length) == 0)
        port = name.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&name)->sin_port) : 1;
    errno = before;
    return port;
}

static void absolute(int directory, const char *path, char *found)
{
    char link[64];
    long length = 0;
    if (path[0] != '/') {
        snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
        length = syscall(SYS_readlink, link, found, PATH_MAX / 2);
        if (length < 0) length = 0;
        found[length++] = '/';
    }
    strncpy(found + length, path, PATH_MAX - length - 1);
    found[PATH_MAX - 1] = 0;
}

/* ------------------------------------------------------------------------------------------ faults */

/* -1: the call is to go well; else the error number, 0 for a short write. */
static int fault(unsigned kind, const char *path)
{
    if (!control || !__atomic_load_n(&control->is_armed, __ATOMIC_SEQ_CST) || !(control->on & kind)) return -1;
    if (fnmatch(control->pattern, path, 0)) return -1;
    uint32_t number = __atomic_fetch_add(&control->met, 1, __ATOMIC_SEQ_CST);
    if (number < control->after || number - control->after >= control->times) return -1;
    __atomic_fetch_add(&control->failed, 1, __ATOMIC_SEQ_CST);
    return control->error;
}

static int is_skipped(const char *path)
{
    return control && control->skips && !fnmatch(control->skipped, path, 0);
}

/* ------------------------------------------------------------------------------------------ writing */

static size_t total(const struct iovec *pieces, int count)
{
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += pieces[i].iov_len;
    return sum;
}

/* offset -1: where the descriptor stands. */
static ssize_t written(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    char path[PATH_MAX];
    uint64_t inode;
    uint32_t port;
    ssize_t done;
    size_t wanted = total(pieces, count);
    if (is_ours(fd, path, &inode)) {
        int error = fault(ON_WRITE, path);
        if (error > 0) return errno = error, -1;
        if (error == 0 && wanted > 1) {
            struct iovec half = {pieces[0].iov_base, pieces[0].iov_len / 2 + 1};
            done = offset < 0 ? syscall(SYS_writev, fd, &half, 1) : syscall(SYS_pwritev, fd, &half, 1, offset, 0);
        } else
            done = offset < 0 ? syscall(SYS_writev, fd, pieces, count) : syscall(SYS_pwritev, fd, pieces, count, offset, 0);
        if (done > 0) {
            int64_t at = offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - done : offset;
            put(WRITE, path, inode, at, done, 0, pieces, count, done);
        }
        return done;
    }
    if (offset >= 0) return syscall(SYS_pwritev, fd, pieces, count, offset, 0);
    if ((port = peer(fd))) put(SENDS, NULL, 0, 0, wanted, port, pieces, count, wanted < TOLD ? wanted : TOLD);
    done = syscall(SYS_writev, fd, pieces, count);
    if (port) put(SENT, NULL, 0, 0, done, port, NULL, 0, 0);
    return done;
}

ssize_t write(int fd, const void *octets, size_t length) { struct iovec v = {(void *)octets, length}; return written(fd, &v, 1, -1); }
ssize_t writev(int fd, const struct iovec *v, int count) { return written(fd, v, count, -1); }
ssize_t pwrite(int fd, const void *octets, size_t length, off_t at) { struct iovec v = {(void *)octets, length}; return written(fd, &v, 1, at); }
ssize_t pwrite64(int fd, const void *octets, size_t length, off64_t at) { struct iovec v = {(void *)octets, length}; return written(fd, &v, 1, at); }
ssize_t pwritev(int fd, const struct iovec *v, int count, off_t at) { return written(fd, v, count, at); }
ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t at) { return written(fd, v, count, at); }
ssize_t pwritev2(int fd, const struct iovec *v, int count, off_t at, int flags) { (void)flags; return written(fd, v, count, at); }
ssize_t pwritev64v2(int fd, const struct iovec *v, int count, off64_t at, int flags) { (void)flags; return written(fd, v, count, at); }

ssize_t sendto(int fd, const void *octets, size_t length, int flags, const struct sockaddr *to, socklen_t size)
{
    struct iovec v = {(void *)octets, length};
    uint32_t port = peer(fd);
    if (port) put(SENDS, NULL, 0, 0, length, port, &v, 1, length < TOLD ? length : TOLD);
    ssize_t done = syscall(SYS_sendto, fd, octets, length, flags, to, size);
    if (port) put(SENT, NULL, 0, 0, done, port, NULL, 0, 0);
    return done;
}

ssize_t send(int fd, const void *octets, size_t length, int flags) { return sendto(fd, octets, length, flags, NULL, 0); }

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint32_t port = peer(fd);
    size_t wanted = total(message->msg_iov, message->msg_iovlen);
    if (port) put(SENDS, NULL, 0, 0, wanted, port, message->msg_iov, message->msg_iovlen, wanted < TOLD ? wanted : TOLD);
    ssize_t done = syscall(SYS_sendmsg, fd, message, flags);
    if (port) put(SENT, NULL, 0, 0, done, port, NULL, 0, 0);
    return done;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (!peer(fd)) return syscall(SYS_sendmmsg, fd, messages, count, flags);
    for (unsigned i = 0; i < count; i++) { /* one by one, each with its record */
        ssize_t done = sendmsg(fd, &messages[i].msg_hdr, flags);
        if (done < 0) return i ? (int)i : -1;
        messages[i].msg_len = done;
    }
    return count;
}

/* ------------------------------------------------------------------------------------------ sizes and syncs */

static int truncated(int fd, int64_t size)
{
    char path[PATH_MAX];
    uint64_t inode;
    int ours = is_ours(fd, path, &inode), error = ours ? fault(ON_TRUNCATE, path) : -1;
    if (error > 0) return errno = error, -1;
    int done = syscall(SYS_ftruncate, fd, size);
    if (ours && done == 0) put(TRUNCATE, path, inode, 0, size, 0, NULL, 0, 0);
    return done;
}

int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }

/* They would write past the log: no program that is watched may use them on its data. */
int fallocate(int fd, int mode, off_t at, off_t length) { (void)fd, (void)mode, (void)at, (void)length; return errno = EOPNOTSUPP, -1; }
int fallocate64(int fd, int mode, off64_t at, off64_t length) { (void)fd, (void)mode, (void)at, (void)length; return errno = EOPNOTSUPP, -1; }

static int synced(int fd, long number)
{
    char path[PATH_MAX];
    uint64_t inode;
    if (!is_ours(fd, path, &inode)) return syscall(number, fd);
    int error = fault(ON_SYNC, path);
    if (is_skipped(path)) return put(SYNC_SKIPPED, path, inode, 0, 0, 0, NULL, 0, 0), 0;
    put(SYNC_BEGINS, path, inode, 0, 0, 0, NULL, 0, 0);
    int done = error > 0 ? (errno = error, -1) : syscall(number, fd);
    put(done ? SYNC_FAILED : SYNC_DONE, path, inode, 0, 0, 0, NULL, 0, 0);
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* ------------------------------------------------------------------------------------------ names */

static int opened(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    uint64_t inode;
    if ((flags & O_CREAT) && root_length) {
        absolute(directory, name, path);
        int error = is_below(path) ? fault(ON_OPEN, path) : -1;
        if (error > 0) return errno = error, -1;
    }
    int fd = syscall(SYS_openat, directory, name, flags, mode);
    if (fd >= 0 && (flags & (O_CREAT | O_TRUNC)) && is_ours(fd, path, &inode))
        put(OPENED, path, inode, 0, (flags & O_TRUNC) != 0, 0, NULL, 0, 0);
    return fd;
}

#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int named(int kind, int directory, const char *name, int done)
{
    char path[PATH_MAX];
    if (done == 0 && root_length) {
        absolute(directory, name, path);
        if (is_below(path)) put(kind, path, 0, 0, 0, 0, NULL, 0, 0);
    }
    return done;
}

int mkdirat(int at, const char *name, mode_t mode) { return named(MADE, at, name, syscall(SYS_mkdirat, at, name, mode)); }
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
int unlinkat(int at, const char *name, int flags) { return named(REMOVED, at, name, syscall(SYS_unlinkat, at, name, flags)); }
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) { return unlink(name) && errno == EISDIR ? rmdir(name) : 0; }

int renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
    char before[PATH_MAX], after[PATH_MAX];
    int done = syscall(SYS_renameat2, from, old, to, name, flags);
    if (done == 0 && root_length) {
        absolute(from, old, before);
        absolute(to, name, after);
        struct iovec v = {before, strlen(before)};
        if (is_below(before) || is_below(after)) put(RENAMED, after, 0, 0, 0, 0, &v, 1, v.iov_len);
    }
    return done;
}

int renameat(int from, const char *old, int to, const char *name) { return renameat2(from, old, to, name, 0); }
int rename(const char *old, const char *name) { return renameat2(AT_FDCWD, old, AT_FDCWD, name, 0); }

/* ------------------------------------------------------------------------------------------ the clock */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int done = real(clock, now);
    if (done == 0 && control && control->ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t all = now->tv_sec * 1000000000LL + now->tv_nsec + __atomic_load_n(&control->ahead, __ATOMIC_SEQ_CST);
        now->tv_sec = all / 1000000000;
        now->tv_nsec = all % 1000000000;
    }
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
