/* A failing layer between a program and its files, for LD_PRELOAD.
 *
 * It counts the calls that change what lies under the armed folders, and at the chosen one
 * kills the process, or lets the call fail. Python calls fault_arm() by ctypes after fork().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FDS 4096
static char folder[4096];
static char watched[MOST_FDS]; /* file descriptors that were opened under the folder */
static int mode;               /* 0 count only, 'k' kill before, 'h' kill half-way, 'o' fail once,
                                  's' fail from then on */
static long chosen, count;
static int failure, cut; /* cut: the call before wrote half, this one gets the error */

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

void fault_arm(const char *under, int kind, long at, int error) {
  strncpy(folder, under, sizeof folder - 1);
  memset(watched, 0, sizeof watched);
  mode = kind, chosen = at, failure = error, count = 0, cut = 0;
}
long fault_count(void) { return count; }

static int under(const char *path) {
  return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0;
}
static int seen(int fd) { return fd >= 0 && fd < MOST_FDS && watched[fd]; }
static void note(int fd, const char *path) {
  if (fd >= 0 && fd < MOST_FDS) watched[fd] = under(path);
}
static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

enum { GO, HALF, FAIL };
/* allocates: a full disk refuses it. */
static int next(int is_write, int allocates) {
  count++;
  if (!mode) return GO;
  if (cut && is_write) {
    if (mode == 'o') cut = 0;
    errno = failure;
    return FAIL;
  }
  if (count < chosen || (count > chosen && mode != 's')) return GO;
  if (mode == 'k') die();
  if (mode == 'h') return HALF;
  if (failure == ENOSPC && !allocates) return GO;
  if (is_write && count == chosen) { cut = 1; return HALF; }
  errno = failure;
  return FAIL;
}

#define SIMPLE(counted, allocates, call)        \
  do {                                          \
    if (counted) {                              \
      int what = next(0, allocates);            \
      if (what == FAIL) return -1;              \
      __typeof__(call) result = (call);         \
      if (what == HALF) die();                  \
      return result;                            \
    }                                           \
    return (call);                              \
  } while (0)

static int opening(const char *name, int at, const char *path, int flags, mode_t rights) {
  int changes = under(path) && (flags & (O_CREAT | O_TRUNC));
  int what = changes ? next(0, 1) : GO;
  if (what == FAIL) return -1;
  int fd = ((int (*)(int, const char *, int, ...))real(name))(at, path, flags, rights);
  if (what == HALF) die();
  note(fd, path);
  return fd;
}
#define RIGHTS \
  mode_t rights = 0; \
  if (flags & O_CREAT) { va_list list; va_start(list, flags); rights = va_arg(list, mode_t); va_end(list); }
int open(const char *path, int flags, ...) { RIGHTS return opening("openat", AT_FDCWD, path, flags, rights); }
int open64(const char *path, int flags, ...) { RIGHTS return opening("openat64", AT_FDCWD, path, flags, rights); }
int openat(int at, const char *path, int flags, ...) { RIGHTS return opening("openat", at, path, flags, rights); }
int openat64(int at, const char *path, int flags, ...) { RIGHTS return opening("openat64", at, path, flags, rights); }
int close(int fd) {
  if (fd >= 0 && fd < MOST_FDS) watched[fd] = 0;
  return REAL(close)(fd);
}

#define WRITING(fd, size, whole, half)          \
  do {                                          \
    int what = seen(fd) && (size) ? next(1, 1) : GO; \
    if (what == FAIL) return -1;                \
    if (what == GO) return (whole);             \
    ssize_t done = (half);                      \
    if (mode == 'h') die();                     \
    return done;                                \
  } while (0)
ssize_t write(int fd, const void *data, size_t size) {
  WRITING(fd, size, REAL(write)(fd, data, size), REAL(write)(fd, data, (size + 1) / 2));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  WRITING(fd, size, REAL(pwrite64)(fd, data, size, at), REAL(pwrite64)(fd, data, (size + 1) / 2, at));
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
  /* Python asks for more than there is, so half is half of the file */
  struct stat about;
  size_t half = fstat(in, &about) == 0 ? (size_t)about.st_size / 2 + 1 : size / 2;
  WRITING(out, size, REAL(sendfile64)(out, in, at, size), REAL(sendfile64)(out, in, at, half));
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  WRITING(out, size, REAL(copy_file_range)(in, from, out, to, size, flags),
          REAL(copy_file_range)(in, from, out, to, (size + 1) / 2, flags));
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
  if (seen(fd)) {
    int what = next(0, 1);
    if (what == FAIL) return failure;
    int result = REAL(posix_fallocate64)(fd, at, size);
    if (what == HALF) die();
    return result;
  }
  return REAL(posix_fallocate64)(fd, at, size);
}
int fsync(int fd) { SIMPLE(seen(fd), 1, REAL(fsync)(fd)); }
int fdatasync(int fd) { SIMPLE(seen(fd), 1, REAL(fdatasync)(fd)); }
int ftruncate64(int fd, off64_t size) { SIMPLE(seen(fd), 0, REAL(ftruncate64)(fd, size)); }
int truncate64(const char *path, off64_t size) { SIMPLE(under(path), 0, REAL(truncate64)(path, size)); }
int rename(const char *from, const char *to) { SIMPLE(under(to), 0, REAL(rename)(from, to)); }
int unlink(const char *path) { SIMPLE(under(path), 0, REAL(unlink)(path)); }
int mkdir(const char *path, mode_t rights) { SIMPLE(under(path), 1, REAL(mkdir)(path, rights)); }
int chmod(const char *path, mode_t rights) { SIMPLE(under(path), 0, REAL(chmod)(path, rights)); }
int fchmodat(int at, const char *path, mode_t rights, int flags) {
  SIMPLE(under(path), 0, REAL(fchmodat)(at, path, rights, flags));
}
int chown(const char *path, uid_t owner, gid_t group) {
  SIMPLE(under(path), 0, REAL(chown)(path, owner, group));
}
int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
  SIMPLE(under(path), 0, REAL(utimensat)(at, path, times, flags));
}
