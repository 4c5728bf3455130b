/*
 * The files that the process may open, by Landlock (landlock(7)).  libc has no
 * functions for its system calls.  Rights that the kernel does not know yet are
 * left out.
 */
#include "base/confine_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Missing in the headers of older kernels.  The number is the first ABI that
 * has it. */
#define FS_REFER (UINT64_C(1) << 13)		      /* 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)		      /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)	      /* 5 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)		      /* 6 */

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* The private directory: culvert and ssh create and remove sockets there, and
 * culvert the directories of further links. */
#define FS_PRIVATE                                                         \
	(FS_READ | LANDLOCK_ACCESS_FS_MAKE_SOCK |                          \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	    LANDLOCK_ACCESS_FS_REMOVE_DIR)

/* The rights that a rule for a file, not a directory, may have. */
#define FS_OF_FILES                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* struct landlock_ruleset_attr of the latest ABI that is used here. */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* 4; unused: TCP is not restricted */
	uint64_t scoped;	     /* 6 */
};

/*
 * What may be read, if it exists: the configuration of host name look-ups, the
 * modules of libc for them and their sockets, and what libc itself reads.
 * Whole directories, because files in them are replaced by new ones.
 */
static const char *const to_read[] = { "/etc", "/usr", "/lib", "/lib32",
	"/lib64", "/libx32", "/run", "/var/run", "/var/lib/sss",
	"/var/lib/extrausers", "/dev/null", "/dev/urandom", "/dev/random",
	"/sys/devices/system/cpu",
	/* For the names of functions in reports of AddressSanitizer. */
	CONFINE_SANITIZED ? "/proc" : NULL,
	CONFINE_SANITIZED ? "/proc/self/exe" : NULL };

static int
restrict_self(int ruleset)
{
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

/* Permits access to a file, or to everything in a directory.  Skips a path that
 * does not exist or cannot be reached.  Returns 0 or a negative errno. */
static int
allow(int ruleset, const char *path, uint64_t access)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return 0;
	rule.allowed_access =
	    S_ISDIR(st.st_mode) ? access : access & FS_OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset,
		   LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ?
	    0 :
	    -errno;
}

/* Returns everything that this ABI can restrict; *ret_size becomes the size of
 * struct landlock_ruleset_attr in this ABI. */
static struct ruleset
all_of(int abi, size_t *ret_size)
{
	struct ruleset ruleset = {
		.handled_access_fs = FS_REFER - 1, /* the first 13 */
	};

	if (abi >= 2)
		ruleset.handled_access_fs |= FS_REFER;
	if (abi >= 3)
		ruleset.handled_access_fs |= FS_TRUNCATE;
	if (abi >= 5)
		ruleset.handled_access_fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		ruleset.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	*ret_size = abi >= 6 ? sizeof(ruleset) :
	    abi >= 4	     ? offsetof(struct ruleset, scoped) :
			       offsetof(struct ruleset, handled_access_net);
	return ruleset;
}

int
confine_files(const char *directory, int *ret_abi)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct ruleset ruleset;
	size_t size;
	int err = 0, abi;

	if (CONFINE_COVERAGE)
		return -EOPNOTSUPP;
	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ||
			errno == EPERM ?
		    -EOPNOTSUPP :
		    -errno;
	ruleset = all_of(abi, &size);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(to_read) / sizeof(to_read[0]); i++)
		if (to_read[i] != NULL && err == 0)
			err = allow(fd, to_read[i], FS_READ);
	if (err == 0 && directory != NULL)
		err = allow(fd, directory, FS_PRIVATE);
	if (err == 0 && restrict_self(fd) != 0)
		err = -errno;
	if (err == 0)
		*ret_abi = abi;
	return err;
}
