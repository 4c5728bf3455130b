/*
 * The user that culvert becomes if it was started as root.
 */
#include "base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/num.h"

/* Variables that apply to the old user only. */
static const char *const user_old_variables[] = { "XDG_RUNTIME_DIR",
	"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
	"XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS", "MAIL" };

int
user_find(const char *text, struct user *ret)
{
	struct passwd *entry;
	struct user user;
	uint64_t number;

	errno = 0;
	entry = getpwnam(text);
	/* (uid_t)-1 is not a user: it means none. */
	if (entry == NULL && num_parse_text(text, UINT32_MAX - 1, &number) == 0)
		entry = getpwuid((uid_t)number);
	if (entry == NULL)
		return -ENOENT;
	user = (struct user) {
		.uid = entry->pw_uid,
		.gid = entry->pw_gid,
		.name = strdup(entry->pw_name),
		.home = strdup(entry->pw_dir),
		.shell = strdup(entry->pw_shell),
	};
	if (user.name == NULL || user.home == NULL || user.shell == NULL) {
		user_free(&user);
		return -ENOMEM;
	}
	*ret = user;
	return 0;
}

void
user_free(struct user *user)
{
	free(user->name);
	free(user->home);
	free(user->shell);
	*user = (struct user) { .name = NULL };
}

/* Sets the variables of the environment for the user.  Returns 0 or a negative
 * errno. */
static int
user_environment(const struct user *user)
{
	for (size_t i = 0;
	     i < sizeof(user_old_variables) / sizeof(user_old_variables[0]);
	     i++)
		unsetenv(user_old_variables[i]);
	if (setenv("HOME", user->home, 1) != 0 ||
	    setenv("USER", user->name, 1) != 0 ||
	    setenv("LOGNAME", user->name, 1) != 0 ||
	    setenv("SHELL", user->shell, 1) != 0)
		return -errno;
	return 0;
}

/* Does every user and group id of this process belong to that user, and is the
 * process unable to become root again? */
static bool
user_is(const struct user *user)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	return getresuid(&uid, &euid, &suid) == 0 && uid == user->uid &&
	    euid == user->uid && suid == user->uid &&
	    getresgid(&gid, &egid, &sgid) == 0 && gid == user->gid &&
	    egid == user->gid && sgid == user->gid && setresuid(0, 0, 0) != 0 &&
	    seteuid(0) != 0 && (user->gid == 0 || setresgid(0, 0, 0) != 0) &&
	    setgroups(0, NULL) != 0;
}

int
user_become(const struct user *user, uint64_t keep)
{
	int err;

	/* All capabilities stay permitted after setresuid(); caps_keep() drops
	 * those that are not in keep. */
	if (keep != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return -errno;
	if (initgroups(user->name, user->gid) != 0 ||
	    setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		return -errno;
	err = caps_keep(keep);
	if (err == 0)
		err = user_environment(user);
	if (err != 0)
		return err;
	return user_is(user) ? 0 : -EPERM;
}
