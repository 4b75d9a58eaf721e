/* A library to be preloaded: writes down what a process does to the files below a folder, in the order in which it is
 * done, and leaves out the syncs themselves, whose effect verification/crash/medium.py works out.
 *
 * ZEVM_JOURNAL names the journal's file, ZEVM_JOURNAL_ROOT the folder. An event, little-endian: kind (1 byte), file
 * descriptor (4), number (8: offset, length or flags), lengths of two parts (4 each), and the parts: paths or bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *root = "";
static size_t root_length;
static char *followed[MAX_DESCRIPTORS]; /* the path that each descriptor was opened by */

static void stop(const char *why) {
    fprintf(stderr, "journal: %s\n", why);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("ZEVM_JOURNAL");
    root = getenv("ZEVM_JOURNAL_ROOT");
    if (!name || !root) stop("ZEVM_JOURNAL and ZEVM_JOURNAL_ROOT are not set");
    root_length = strlen(root);
    journal = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal < 0) stop("the journal cannot be opened");
    unsetenv("LD_PRELOAD");
}

static int is_below(const char *path) {
    return path && strncmp(path, root, root_length) == 0 && path[root_length] == '/';
}

static int is_known(int descriptor) {
    return descriptor >= 0 && descriptor < MAX_DESCRIPTORS && followed[descriptor];
}

/* The whole of a path that may be relative to a folder's descriptor. */
static const char *whole(char *buffer, int folder, const char *path) {
    if (!path || path[0] == '/' || !is_known(folder)) return path;
    if (snprintf(buffer, PATH_MAX, "%s/%s", followed[folder], path) >= PATH_MAX) stop("a path is too long");
    return buffer;
}

static void put(const void *bytes, size_t size) {
    const char *next = bytes;
    while (size) {
        long count = syscall(SYS_write, journal, next, size);
        if (count <= 0) stop("the journal cannot be written");
        next += count;
        size -= (size_t)count;
    }
}

/* The caller holds the lock from before the call that it tells of. */
static void tell(char kind, int descriptor, int64_t number, const void *first, size_t first_size, const char *second) {
    unsigned char head[21];
    uint32_t sizes[2] = {(uint32_t)first_size, (uint32_t)(second ? strlen(second) : 0)};
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &descriptor, 4);
    memcpy(head + 5, &number, 8);
    memcpy(head + 13, sizes, 8);
    put(head, sizeof head);
    put(first, first_size);
    if (second) put(second, sizes[1]);
}

static void tell_path(char kind, int descriptor, int64_t number, const char *path, const char *second) {
    tell(kind, descriptor, number, path + root_length + 1, strlen(path + root_length + 1),
         second ? second + root_length + 1 : NULL);
}

/* Called by the program under observation: its own notes stand between the events. */
void journal_note(const void *bytes, size_t size) {
    pthread_mutex_lock(&lock);
    tell('N', -1, 0, bytes, size, NULL);
    pthread_mutex_unlock(&lock);
}

#define REAL(result, name, ...)                                     \
    static result (*real)(__VA_ARGS__);                             \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int opened(int descriptor, const char *path, int flags) {
    if (descriptor >= MAX_DESCRIPTORS) stop("too many descriptors");
    if (descriptor >= 0 && (flags & O_TMPFILE) != O_TMPFILE) {
        free(followed[descriptor]);
        followed[descriptor] = strdup(path);
        tell_path('O', descriptor, (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0), path, NULL);
    }
    return descriptor;
}

#define MODE_OF(flags, last)                       \
    mode_t mode = 0;                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {         \
        va_list rest;                              \
        va_start(rest, last);                      \
        mode = (mode_t)va_arg(rest, unsigned int); \
        va_end(rest);                              \
    }

#define OPEN(name)                                          \
    int name(const char *path, int flags, ...) {            \
        MODE_OF(flags, flags)                               \
        REAL(int, #name, const char *, int, ...);           \
        if (!is_below(path)) return real(path, flags, mode); \
        pthread_mutex_lock(&lock);                          \
        int result = opened(real(path, flags, mode), path, flags); \
        pthread_mutex_unlock(&lock);                        \
        return result;                                      \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                  \
    int name(int folder, const char *path, int flags, ...) {          \
        MODE_OF(flags, flags)                                         \
        REAL(int, #name, int, const char *, int, ...);                \
        char buffer[PATH_MAX];                                        \
        const char *full = whole(buffer, folder, path);               \
        if (!is_below(full)) return real(folder, path, flags, mode);  \
        pthread_mutex_lock(&lock);                                    \
        int result = opened(real(folder, path, flags, mode), full, flags); \
        pthread_mutex_unlock(&lock);                                  \
        return result;                                                \
    }
OPENAT(openat)
OPENAT(openat64)

/* LevelDB's report of itself, LOG: that it exists is told, its text is not. */
#define FOPEN(name)                                          \
    FILE *name(const char *path, const char *mode) {         \
        REAL(FILE *, #name, const char *, const char *);     \
        if (!is_below(path)) return real(path, mode);        \
        pthread_mutex_lock(&lock);                           \
        FILE *result = real(path, mode);                     \
        if (result) tell_path('O', -1, 1, path, NULL);       \
        pthread_mutex_unlock(&lock);                         \
        return result;                                       \
    }
FOPEN(fopen)
FOPEN(fopen64)

int close(int descriptor) {
    REAL(int, "close", int);
    if (!is_known(descriptor)) return real(descriptor);
    pthread_mutex_lock(&lock);
    free(followed[descriptor]);
    followed[descriptor] = NULL;
    tell('C', descriptor, 0, "", 0, NULL);
    int result = real(descriptor);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!is_known(descriptor)) return real(descriptor, bytes, size);
    pthread_mutex_lock(&lock);
    ssize_t count = real(descriptor, bytes, size);
    if (count > 0) tell('W', descriptor, lseek(descriptor, 0, SEEK_CUR) - count, bytes, (size_t)count, NULL);
    pthread_mutex_unlock(&lock);
    return count;
}

#define PWRITE(name)                                                     \
    ssize_t name(int descriptor, const void *bytes, size_t size, off_t offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, off_t);          \
        if (!is_known(descriptor)) return real(descriptor, bytes, size, offset); \
        pthread_mutex_lock(&lock);                                       \
        ssize_t count = real(descriptor, bytes, size, offset);           \
        if (count > 0) tell('W', descriptor, offset, bytes, (size_t)count, NULL); \
        pthread_mutex_unlock(&lock);                                     \
        return count;                                                    \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (is_known(descriptor)) stop("writev is not followed");
    return real(descriptor, parts, count);
}

#define FTRUNCATE(name)                                     \
    int name(int descriptor, off_t length) {                \
        REAL(int, #name, int, off_t);                       \
        if (!is_known(descriptor)) return real(descriptor, length); \
        pthread_mutex_lock(&lock);                          \
        int result = real(descriptor, length);              \
        if (result == 0) tell('T', descriptor, length, "", 0, NULL); \
        pthread_mutex_unlock(&lock);                        \
        return result;                                      \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define SYNC(name)                                    \
    int name(int descriptor) {                        \
        REAL(int, #name, int);                        \
        if (!is_known(descriptor)) return real(descriptor); \
        pthread_mutex_lock(&lock);                    \
        tell('S', descriptor, 0, "", 0, NULL);        \
        pthread_mutex_unlock(&lock);                  \
        return 0;                                     \
    }
SYNC(fsync)
SYNC(fdatasync)

static int moved(int result, char kind, const char *from, const char *to) {
    if (!is_below(from) || !is_below(to)) stop("a name leaves the folder or comes into it");
    if (result == 0) tell_path(kind, -1, 0, from, to);
    return result;
}

#define MOVE(name, kind)                                        \
    int name(const char *from, const char *to) {                \
        REAL(int, #name, const char *, const char *);           \
        if (!is_below(from) && !is_below(to)) return real(from, to); \
        pthread_mutex_lock(&lock);                              \
        int result = moved(real(from, to), kind, from, to);     \
        pthread_mutex_unlock(&lock);                            \
        return result;                                          \
    }
MOVE(rename, 'R')
MOVE(link, 'L')

#define CHANGE(name, kind, folder, parameters, arguments, types) \
    int name parameters {                                        \
        REAL(int, #name, types);                                 \
        char buffer[PATH_MAX];                                   \
        const char *full = whole(buffer, folder, path);          \
        if (!is_below(full)) return real arguments;              \
        pthread_mutex_lock(&lock);                               \
        int result = real arguments;                             \
        if (result == 0) tell_path(kind, -1, 0, full, NULL);     \
        pthread_mutex_unlock(&lock);                             \
        return result;                                           \
    }
#define COMMA ,
CHANGE(unlink, 'U', -1, (const char *path), (path), const char *)
CHANGE(rmdir, 'U', -1, (const char *path), (path), const char *)
CHANGE(mkdir, 'M', -1, (const char *path, mode_t mode), (path, mode), const char * COMMA mode_t)
CHANGE(unlinkat, 'U', at, (int at, const char *path, int flags), (at, path, flags),
       int COMMA const char * COMMA int)
CHANGE(mkdirat, 'M', at, (int at, const char *path, mode_t mode), (at, path, mode),
       int COMMA const char * COMMA mode_t)
