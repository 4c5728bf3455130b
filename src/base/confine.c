/*
 * Confinement.
 */
#include "base/confine.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/caps.h"
#include "base/confine_priv.h"

static int
no_core(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* Returns true also if the number of threads cannot be found out. */
static bool
has_one_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	size_t n = 0;

	if (tasks == NULL)
		return true;
	while ((entry = readdir(tasks)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(tasks);
	return n <= 1;
}

/* Returns the result of the stage with that name, and sets its text. */
static enum confine_result
conclude(const char *name, int err, const char *not_here,
    char text[CONFINE_TEXT_MAX])
{
	bool here = err != -EOPNOTSUPP;

	if (err == 0)
		snprintf(text, CONFINE_TEXT_MAX, "%s", name);
	else
		snprintf(text, CONFINE_TEXT_MAX, "%s: %s", name,
		    here ? strerror(-err) : not_here);
	return err == 0 ? CONFINE_DONE :
	    here	? CONFINE_FAILED :
			  CONFINE_NOT_HERE;
}

static enum confine_result
bounding(char text[CONFINE_TEXT_MAX])
{
	int err = caps_drop_bounding();

	return conclude("capability bounding set",
	    err == -EPERM ? -EOPNOTSUPP : err,
	    "only root can empty it; no_new_privs makes that unnecessary",
	    text);
}

static enum confine_result
files(const struct confine_options *options, char text[CONFINE_TEXT_MAX])
{
	char name[32];
	int abi = 0;
	int err = confine_files(options->directory, &abi);

	snprintf(name, sizeof(name), "Landlock (ABI %d)", abi);
	return conclude(abi > 0 ? name : "Landlock", err,
	    "the kernel does not support it", text);
}

uint64_t
confine_kept(const struct confine_options *options)
{
	return (options->low_ports ? CAPS_MASK(CAP_NET_BIND_SERVICE) : 0) |
	    (options->foreign ? CAPS_MASK(CAP_NET_RAW) : 0);
}

static enum confine_result
capabilities(const struct confine_options *options, char *text)
{
	char name[96];

	snprintf(name, sizeof(name), "no capabilities%s%s%s",
	    confine_kept(options) != 0 ? " except for " : "",
	    options->low_ports ? "ports below 1024" : "",
	    !options->foreign	   ? "" :
		options->low_ports ? " and foreign addresses" :
				     "foreign addresses");
	return conclude(name, caps_keep(confine_kept(options)), "", text);
}

enum confine_result
confine(enum confine_stage stage, const struct confine_options *options,
    char text[CONFINE_TEXT_MAX])
{
	int err = -EINVAL;

	assert(has_one_thread());
	switch (stage) {
	case CONFINE_NO_PRIVILEGES:
		err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
		return conclude("no new privileges", err, "", text);
	case CONFINE_RINGS:
		return conclude("no io_uring", confine_rings(),
		    "the kernel does not support filters", text);
	case CONFINE_BOUNDING:
		return bounding(text);
	case CONFINE_CAPABILITIES:
		return capabilities(options, text);
	case CONFINE_MEMORY:
		return conclude("no core file, no tracing",
		    CONFINE_SANITIZED ? -EOPNOTSUPP : no_core(),
		    "AddressSanitizer traces itself", text);
	case CONFINE_FILES:
		return files(options, text);
	case CONFINE_CALLS:
		return conclude("seccomp", confine_calls(options->foreign),
		    "the kernel does not support filters", text);
	}
	return conclude("nothing", err, "", text);
}
