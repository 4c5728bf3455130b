/*
 * Drops the privileges that the main process does not need.
 */
#include "base/privileges.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/log.h"

bool
privileges_find_user(const char *name, struct user *ret)
{
	int err;

	if (name == NULL) {
		if (geteuid() == 0)
			log_warn("running as root; with --user NAME culvert "
				 "becomes that user after binding its ports");
		return true;
	}
	if (geteuid() != 0) {
		log_err("--user %s: only root can become another user", name);
		return false;
	}
	err = user_find(name, ret);
	if (err != 0) {
		log_err("--user %s: %s", name,
		    err == -ENOENT ? "there is no such user" : strerror(-err));
		return false;
	}
	if (ret->uid == 0)
		log_err("--user %s: that is root", name);
	return ret->uid != 0;
}

/* Performs one stage.  Returns false if it failed although it is available. */
static bool
confine_one(enum confine_stage stage, const struct confine_options *options)
{
	char text[CONFINE_TEXT_MAX];

	switch (confine(stage, options, text)) {
	case CONFINE_DONE:
		log_verbose("confined: %s", text);
		return true;
	case CONFINE_NOT_HERE:
		log_verbose("not confined: %s", text);
		return true;
	case CONFINE_FAILED:
		break;
	}
	log_err("cannot confine this process: %s", text);
	return false;
}

static bool
become(const struct user *user, const struct confine_options *options)
{
	int err = user_become(user, confine_kept(options));

	if (err == 0)
		log_verbose("running as user %s", user->name);
	else
		log_err("cannot become user %s: %s", user->name,
		    strerror(-err));
	return err == 0;
}

bool
privileges_prepare(bool no_filters)
{
	const struct confine_options none = { .directory = NULL };

	return confine_one(CONFINE_NO_PRIVILEGES, &none) &&
	    (no_filters || confine_one(CONFINE_RINGS, &none));
}

bool
privileges_drop(const struct privileges *privileges)
{
	const struct confine_options options = {
		.directory = privileges->directory,
		.low_ports = privileges->low_ports,
		.foreign = privileges->foreign,
	};

	if (!confine_one(CONFINE_BOUNDING, &options))
		return false;
	if (privileges->user != NULL && !become(privileges->user, &options))
		return false;
	for (int stage = CONFINE_BOUNDING + 1; stage < CONFINE_STAGES;
	     stage++) {
		if (privileges->no_filters && stage >= CONFINE_FILES)
			break;
		if (!confine_one((enum confine_stage)stage, &options))
			return false;
	}
	if (privileges->no_filters)
		log_verbose("not confined: Landlock, seccomp: --no-confine");
	return true;
}
