/* What a process sees of a disk that is full, without one: for LD_PRELOAD.

   FULL_DISK names a file. While that is there, each of its lines is what the paths begin with that are full: what
   would make such a file longer than the blocks it has fails with ENOSPC, as the kernel's own calls do. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK 4096
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* Found when the process begins: a signal handler may write, and must not look for it. */
#define REAL(name) (real_##name ? real_##name : NEXT(name))
#define EACH(do) do(write) do(pwrite64) do(writev) do(pwritev64) do(fwrite) do(posix_fallocate64) do(fallocate64)
#define DECLARE(name) static __typeof__(&name) real_##name;
#define FIND(name) real_##name = NEXT(name);

EACH(DECLARE)

static char control[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
  EACH(FIND)
  const char *named = getenv("FULL_DISK");
  if (named) snprintf(control, sizeof control, "%s", named);
}

/* How many of `length` octets at `offset` (-1: where the file is) there is room for; errno stays as it was. */
static size_t room(int fd, off64_t offset, size_t length) {
  char link[64], path[PATH_MAX], lines[8 * PATH_MAX];
  struct stat64 about;
  int kept = errno, matches = 0;
  ssize_t size, read_;
  size_t left = length;
  int file = *control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) goto out;
  read_ = read(file, lines, sizeof lines - 1);
  close(file);
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  size = readlink(link, path, sizeof path - 1);
  if (read_ <= 0 || size <= 0 || fstat64(fd, &about) || !S_ISREG(about.st_mode)) goto out;
  lines[read_] = path[size] = 0;
  char *rest = lines, *prefix;
  while ((prefix = strsep(&rest, "\n")))
    matches |= *prefix && !strncmp(path, prefix, strlen(prefix));
  if (!matches) goto out;
  off64_t blocks = (about.st_size + BLOCK - 1) / BLOCK * BLOCK;
  if (offset < 0) offset = fcntl(fd, F_GETFL) & O_APPEND ? about.st_size : lseek64(fd, 0, SEEK_CUR);
  if (offset + (off64_t)length > blocks) left = offset < blocks ? (size_t)(blocks - offset) : 0;
out:
  errno = kept;
  return left;
}

static ssize_t none(void) {
  errno = ENOSPC;
  return -1;
}

ssize_t write(int fd, const void *octets, size_t length) {
  size_t left = room(fd, -1, length);
  return length && !left ? none() : REAL(write)(fd, octets, left);
}

ssize_t pwrite64(int fd, const void *octets, size_t length, off64_t offset) {
  size_t left = room(fd, offset, length);
  return length && !left ? none() : REAL(pwrite64)(fd, octets, left, offset);
}

ssize_t pwrite(int fd, const void *octets, size_t length, off_t offset) {
  return pwrite64(fd, octets, length, offset);
}

static size_t total(const struct iovec *parts, int count) {
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  return length;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  size_t length = total(parts, count), left = room(fd, -1, length);
  if (left == length) return REAL(writev)(fd, parts, count);
  return left ? write(fd, parts[0].iov_base, parts[0].iov_len < left ? parts[0].iov_len : left) : none();
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  size_t length = total(parts, count), left = room(fd, offset, length);
  if (left == length) return REAL(pwritev64)(fd, parts, count, offset);
  return left ? pwrite64(fd, parts[0].iov_base, parts[0].iov_len < left ? parts[0].iov_len : left, offset) : none();
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(fd, parts, count, offset);
}

size_t fwrite(const void *octets, size_t size, size_t count, FILE *file) {
  if (size && count && room(fileno(file), ftello64(file), size * count) < size * count) {
    errno = ENOSPC;
    return 0;
  }
  return REAL(fwrite)(octets, size, count, file);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return room(fd, offset, length) < (size_t)length ? ENOSPC : REAL(posix_fallocate64)(fd, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return room(fd, offset, length) < (size_t)length ? (int)none() : REAL(fallocate64)(fd, mode, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
