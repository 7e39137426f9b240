/*
 * Makes the disk fail under the files of one folder, as told by files in another.
 *
 * Preloaded into a process, with the folder in COUNTERSIGN_DISK and the folder of the
 * orders in COUNTERSIGN_DISK_ORDERS. While these files exist there:
 *
 * full      a write that would make a file longer fails with ENOSPC; what has its
 *           place already can be written, as on a real disk
 * unsynced  fsync and fdatasync fail with EIO, and nothing is synced
 *
 * With a number N in COUNTERSIGN_DISK_KILL_AT the process is killed instead of its Nth
 * operation that changes what is on the disk: a write, a truncation, a sync, the removal
 * of a file. Between two of these a kill leaves the same disk, so that all N are every
 * moment there is. How many there were is written to `operations` at a normal end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long operations;

static void give_up(const char *what)
{
	perror(what);
	abort();
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		give_up("disk_faults: dlsym");
	return found;
}

static int below_disk(const char *path)
{
	const char *disk = getenv("COUNTERSIGN_DISK");
	const size_t length = disk ? strlen(disk) : 0;

	return disk && strncmp(path, disk, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int on_disk(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t end;

	if (!getenv("COUNTERSIGN_DISK"))
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	end = readlink(link, path, sizeof path - 1);
	if (end < 0)
		return 0;
	path[end] = 0;
	return below_disk(path);
}

static int ordered(const char *what)
{
	const char *orders = getenv("COUNTERSIGN_DISK_ORDERS");
	char path[PATH_MAX];

	if (!orders)
		return 0;
	if (snprintf(path, sizeof path, "%s/%s", orders, what) >= (int)sizeof path)
		give_up("disk_faults: path too long");
	return access(path, F_OK) == 0;
}

/* Counts an operation, and ends the process instead of the one that was named. */
static void operate(void)
{
	const char *at = getenv("COUNTERSIGN_DISK_KILL_AT");

	if (!at)
		return;
	pthread_mutex_lock(&lock);
	if (++operations == atol(at)) {
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
	pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void end(void)
{
	const char *orders = getenv("COUNTERSIGN_DISK_ORDERS");
	char path[PATH_MAX];
	FILE *file;

	if (!orders || !getenv("COUNTERSIGN_DISK_KILL_AT"))
		return;
	snprintf(path, sizeof path, "%s/operations", orders);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%ld\n", operations) < 0 || fclose(file) != 0)
		give_up("disk_faults: operations");
}

/* Whether a write fits: up to the present end of the file it always does. */
static int fits(int fd, off_t offset, size_t length)
{
	struct stat file;

	if (!ordered("full"))
		return 1;
	if (fstat(fd, &file) != 0)
		give_up("disk_faults: fstat");
	return offset + (off_t)length <= file.st_size;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	static ssize_t (*real)(int, const void *, size_t);

	if (!real)
		real = next("write");
	if (on_disk(fd)) {
		if (!fits(fd, lseek(fd, 0, SEEK_CUR), length)) {
			errno = ENOSPC;
			return -1;
		}
		operate();
	}
	return real(fd, bytes, length);
}

static ssize_t write_at(const char *name, int fd, const void *bytes, size_t length, off_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off_t) = next(name);

	if (on_disk(fd)) {
		if (!fits(fd, offset, length)) {
			errno = ENOSPC;
			return -1;
		}
		operate();
	}
	return real(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	return write_at("pwrite", fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset)
{
	return write_at("pwrite64", fd, bytes, length, offset);
}

static int truncate_to(const char *name, int fd, off_t length)
{
	int (*real)(int, off_t) = next(name);

	if (on_disk(fd)) {
		if (!fits(fd, length, 0)) {
			errno = ENOSPC;
			return -1;
		}
		operate();
	}
	return real(fd, length);
}

int ftruncate(int fd, off_t length)
{
	return truncate_to("ftruncate", fd, length);
}

int ftruncate64(int fd, off_t length)
{
	return truncate_to("ftruncate64", fd, length);
}

static int sync_with(const char *name, int fd)
{
	int (*real)(int) = next(name);

	if (on_disk(fd)) {
		if (ordered("unsynced")) {
			errno = EIO;
			return -1;
		}
		operate();
	}
	return real(fd);
}

int fsync(int fd)
{
	return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_with("fdatasync", fd);
}

int unlink(const char *path)
{
	int (*real)(const char *) = next("unlink");

	if (below_disk(path))
		operate();
	return real(path);
}
