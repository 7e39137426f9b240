/*
 * Keeps a copy of what a power cut would leave of the files in one folder.
 *
 * Preloaded into a process, with FOLDER in COUNTERSIGN_SYNCED_FROM and an existing
 * folder for the copy in COUNTERSIGN_SYNCED_TO. The model is the strictest that
 * POSIX allows and that loses nothing in part:
 *
 * - The content of a file is what it was at its last fsync or fdatasync. Writes and
 *   truncations after that are lost, all of them.
 * - A name exists, or is gone, since the last fsync of the folder. A new file that
 *   was synced without its folder is lost as a whole; a deleted file comes back,
 *   with the content that was last synced, until the folder is synced. SQLite syncs
 *   the folder after it created a journal or a WAL, and a WAL that comes back holds
 *   only frames that were copied to the database and synced there before the WAL
 *   was deleted; so SQLite has to live with both.
 * - A kill in the middle of a sync leaves the state before it, because each copy
 *   takes its place by one rename. The caller has not been told of the sync then.
 *
 * Files that nobody syncs (the shared memory of a WAL) never reach the copy. What
 * is synced without fsync or fdatasync (msync, sync_file_range, O_SYNC) would not
 * be seen; SQLite on Linux uses none of these.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNNAMED ".unnamed-%ju" /* synced content, by inode, whose name is not synced yet */
#define PARTIAL ".partial"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void give_up(const char *what)
{
	perror(what);
	abort();
}

static void path_of(char *path, const char *folder, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		give_up("only_synced: path too long");
}

static void copy(int from, const char *folder, const char *name)
{
	char partial[PATH_MAX], path[PATH_MAX], buffer[1 << 16];
	off_t offset = 0;
	ssize_t length;
	int to;

	path_of(partial, folder, PARTIAL);
	path_of(path, folder, name);
	to = open(partial, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (to < 0)
		give_up("only_synced: open");
	while ((length = pread(from, buffer, sizeof buffer, offset)) > 0) {
		if (write(to, buffer, (size_t)length) != length)
			give_up("only_synced: write");
		offset += length;
	}
	if (length < 0 || close(to) != 0 || rename(partial, path) != 0)
		give_up("only_synced: copy");
}

/* Which file each name led to when the folder was last synced. */
static struct {
	char name[NAME_MAX + 1];
	ino_t file;
} known[64];
static size_t known_count;

static ino_t known_file(const char *name)
{
	size_t i;

	for (i = 0; i < known_count; i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].file;
	return 0;
}

static void learn_names(const char *from)
{
	struct dirent *entry;
	DIR *entries = opendir(from);

	if (!entries)
		give_up("only_synced: opendir");
	known_count = 0;
	while ((entry = readdir(entries))) {
		if (known_count == sizeof known / sizeof *known)
			give_up("only_synced: too many files");
		strcpy(known[known_count].name, entry->d_name);
		known[known_count++].file = entry->d_ino;
	}
	closedir(entries);
}

static void file_synced(int fd, const char *from, const char *to, const char *name)
{
	char path[PATH_MAX], unnamed[64];
	struct stat file;
	int readable = fd;

	if (fstat(fd, &file) != 0)
		give_up("only_synced: fstat");
	/* Only where needed: closing another descriptor of a file drops the locks on it. */
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
		path_of(path, from, name);
		readable = open(path, O_RDONLY | O_CLOEXEC);
		if (readable < 0)
			give_up("only_synced: open to read");
	}
	snprintf(unnamed, sizeof unnamed, UNNAMED, (uintmax_t)file.st_ino);
	copy(readable, to, known_file(name) == file.st_ino ? name : unnamed);
	if (readable != fd)
		close(readable);
}

static void folder_synced(const char *from, const char *to)
{
	char path[PATH_MAX], synced[PATH_MAX], name[64];
	struct dirent *entry;
	struct stat file;
	DIR *entries = opendir(to);

	if (!entries)
		give_up("only_synced: opendir");
	/* A name that is gone, or leads to a file that was never synced. */
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		path_of(path, from, entry->d_name);
		if (stat(path, &file) == 0 && file.st_ino == known_file(entry->d_name))
			continue;
		path_of(path, to, entry->d_name);
		if (unlink(path) != 0)
			give_up("only_synced: unlink");
	}
	closedir(entries);
	learn_names(from);
	for (size_t i = 0; i < known_count; i++) {
		snprintf(name, sizeof name, UNNAMED, (uintmax_t)known[i].file);
		path_of(synced, to, name);
		path_of(path, to, known[i].name);
		if (access(synced, F_OK) == 0 && rename(synced, path) != 0)
			give_up("only_synced: rename");
	}
}

__attribute__((constructor)) static void start(void)
{
	const char *from = getenv("COUNTERSIGN_SYNCED_FROM");

	/* What is there at the start is there for good. */
	if (from)
		learn_names(from);
}

static void synced(int fd)
{
	const char *from = getenv("COUNTERSIGN_SYNCED_FROM"), *to = getenv("COUNTERSIGN_SYNCED_TO");
	char link[64], path[PATH_MAX];
	const size_t length = from ? strlen(from) : 0;
	ssize_t end;

	if (!from || !to)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	end = readlink(link, path, sizeof path - 1);
	if (end < 0)
		give_up("only_synced: readlink");
	path[end] = 0;
	if (strncmp(path, from, length) != 0)
		return;
	pthread_mutex_lock(&lock);
	if (path[length] == 0)
		folder_synced(from, to);
	else if (path[length] == '/' && !strchr(path + length + 1, '/'))
		file_synced(fd, from, to, path + length + 1);
	pthread_mutex_unlock(&lock);
}

static int sync_with(const char *name, int fd)
{
	int (*real)(int);
	int result;

	*(void **)&real = dlsym(RTLD_NEXT, name);
	if (!real)
		give_up("only_synced: dlsym");
	result = real(fd);
	if (result == 0)
		synced(fd);
	return result;
}

int fsync(int fd)
{
	return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_with("fdatasync", fd);
}
