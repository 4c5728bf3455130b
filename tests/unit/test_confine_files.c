/*
 * base/confine_seccomp.c: calls on files that are needed, with arguments that
 * are not, and calls like them.  test_confine_arguments.c tries the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/confine.h"
#include "confined.h"

static const void *const nowhere;

/* Records in an open transfer log cannot be changed. */
static void
try_records(struct env *env)
{
	int fd = open(env->outside, O_WRONLY | O_APPEND);
	const int flags = fcntl(fd, F_GETFL) & ~O_APPEND;
	struct stat before = { .st_size = -1 }, after = { .st_size = 0 };

	expect(env, "an old record", write(fd, "old", 3), 0);
	fstat(fd, &before);
	confine_all(env);
	expect(env, "no O_APPEND", fcntl(fd, F_SETFL, flags), EPERM);
	expect(env, "no O_APPEND, 64 bits",
	    syscall(SYS_fcntl, fd, F_SETFL | (UINT64_C(1) << 32), flags),
	    EPERM);
	expect(env, "the beginning", lseek(fd, 0, SEEK_SET), 0);
	expect(env, "a new record", write(fd, "x", 1), 0);
	if (fstat(fd, &after) != 0 || after.st_size != before.st_size + 1)
		dprintf(env->report, "the record is not behind the others\n");
	expect(env, "room", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100), 0);
	expect(env, "a longer file", fallocate(fd, 0, 0, 100), EPERM);
	expect(env, "a hole",
	    fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 1),
	    EPERM);
	expect(env, "zeros",
	    fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, 1),
	    EPERM);
	expect(env, "ftruncate", ftruncate(fd, 0), EPERM);
	expect(env, "old records", pwrite(fd, "x", 1, 0), EPERM);
}

/* A file with a set-user-ID bit would run as this user for others. */
static void
try_modes(struct env *env)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int directory = open(env->directory, O_RDONLY | O_DIRECTORY);
	struct stat st;
	char path[120];
	int fd;

	confine_all(env);
	fd = open("/etc/passwd", O_RDONLY);
	expect(env, "/etc/passwd", fd, 0);
	expect(env, "fchmod", fchmod(fd, 04755), EPERM);
	expect(env, "fchmod to the mode it has", fchmod(fd, 0644), EPERM);
	expect(env, "chmod", chmod(env->directory, 0777), EPERM);
	expect(env, "fchmodat", fchmodat(directory, ".", 0777, 0), EPERM);
	expect(env, "fchown", fchown(fd, 65534, 65534), EPERM);
	expect(env, "chown", chown(env->outside, 65534, 65534), EPERM);
	expect(env, "utimensat", futimens(fd, NULL), EPERM);
	expect(env, "setxattr", fsetxattr(fd, "user.x", "y", 1, 0), EPERM);
	snprintf(path, sizeof(path), "%s/file", env->directory);
	expect(env, "set-user-ID file", open(path, O_WRONLY | O_CREAT, 04755),
	    EPERM);
	expect(env, "new file", open(path, O_RDONLY | O_CREAT, 0600), EPERM);
	expect(env, "new file there",
	    openat(directory, "file", O_RDONLY | O_CREAT, 0600), EPERM);
	expect(env, "unnamed file",
	    open(env->directory, O_RDWR | O_TMPFILE, 04755), EPERM);
	expect(env, "creat", creat(path, 04755), EPERM);
	expect(env, "mknod", mknod(path, S_IFREG | 04755, 0), EPERM);
	expect(env, "fifo", mkfifo(path, 0600), EPERM);
	expect(env, "directory for all", mkdir(path, 0777), EPERM);
	expect(env, "set-group-ID directory", mkdir(path, 02700), EPERM);
	expect(env, "directory for all there", mkdirat(directory, "file", 0777),
	    EPERM);
	expect(env, "link", link(env->outside, path), EPERM);
	/* The path of a socket never has such bits, whatever the umask. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", env->directory);
	umask(0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	expect(env, "fchmod of a socket", fchmod(fd, 06777), EPERM);
	expect(env, "bind", bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (stat(sun.sun_path, &st) != 0 || (st.st_mode & 07000) != 0)
		dprintf(env->report, "mode %o\n", (unsigned)st.st_mode);
}

static void
test_records(void **state)
{
	run_confined(*state, try_records);
}

static void
test_modes(void **state)
{
	run_confined(*state, try_modes);
}

/* The filter forbids what the first ABIs of Landlock do not. */
static void
try_contents(struct env *env)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 04755 };
	int directory = open(env->directory, O_RDONLY | O_DIRECTORY);
	int log = open(env->outside, O_RDWR | O_APPEND);
	int pipes[2];

	confine_all(env);
	expect(env, "pipe", pipe2(pipes, O_CLOEXEC), 0);
	expect(env, "O_TRUNC", open(env->outside, O_RDONLY | O_TRUNC), EPERM);
	expect(env, "openat, O_TRUNC",
	    openat(directory, "../f", O_RDONLY | O_TRUNC), EPERM);
	expect(env, "O_RDWR", open(env->outside, O_RDWR), EPERM);
	expect(env, "openat, O_WRONLY", openat(directory, "../f", O_WRONLY),
	    EPERM);
	expect(env, "openat2",
	    syscall(SYS_openat2, directory, "x", &how, sizeof(how)), ENOSYS);
	expect(env, "truncate", truncate(env->outside, 0), EPERM);
	expect(env, "ftruncate", ftruncate(log, 0), EPERM);
	expect(env, "pwrite", pwrite(log, "x", 1, 0), EPERM);
	expect(env, "fallocate", fallocate(log, 0, 0, 1), EPERM);
	expect(env, "sendfile", sendfile(pipes[1], log, NULL, 1), EPERM);
	expect(env, "splice", splice(log, NULL, pipes[1], NULL, 1, 0), EPERM);
	expect(env, "open_by_handle_at",
	    syscall(SYS_open_by_handle_at, directory, nowhere, 0), EPERM);
	expect(env, "inotify of no file",
	    syscall(SYS_fanotify_init, 0, O_RDONLY), EPERM);
}

static void
test_contents(void **state)
{
	struct env *env = *state;

	env->without = CONFINE_FILES;
	run_confined(env, try_contents);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CONFINED_TEST(test_records),
		CONFINED_TEST(test_modes),
		CONFINED_TEST(test_contents),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
