/*
 * What the subcommands share.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "conf/config.h"
#include "process/app.h"

int
command_misused(const char *name, const char *what)
{
	log_err("%s", what);
	log_err("see culvert %s%s--help", name != NULL ? name : "",
	    name != NULL ? " " : "");
	return EXIT_USAGE;
}

int
command_printed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_err("cannot write: %s", strerror(errno));
	return EXIT_FAILED;
}

bool
command_ended(enum options_result result, const char *name,
    const char *const *help, const char *why, int *ret_status)
{
	static const char *const version[] = { "culvert " CULVERT_VERSION "\n",
		NULL };

	if (result == OPTIONS_RUN)
		return false;
	if (result == OPTIONS_BAD) {
		*ret_status = command_misused(name, why);
		return true;
	}
	for (help = result == OPTIONS_VERSION ? version : help; *help != NULL;
	     help++)
		fputs(*help, stdout);
	*ret_status = command_printed(EXIT_STOPPED);
	return true;
}

bool
command_read(int argc, char **argv, const struct options_own *own,
    const char *help, int *ret_first, int *ret_status)
{
	const char *const texts[] = { help, NULL };
	char why[256];

	return command_ended(options_read_own(argc, argv, own, ret_first, why),
	    argv[0], texts, why, ret_status);
}

bool
command_line_read(int argc, char **argv, const char *flag, bool background,
    const char *help, struct command_line *ret, int *ret_status)
{
	const struct options_own own[] = {
		{ "file", 'f', .value = &ret->path },
		{ flag, '\0', .count = &ret->flag },
		{ NULL, 'q', .count = &ret->quiet },
		{ NULL, 'v', .count = &ret->verbose },
		{ background ? "background" : NULL, '\0',
		    .count = &ret->background },
		{ .name = NULL },
	};
	int first;

	*ret = (struct command_line) { .path = NULL };
	if (command_read(argc, argv, own, help, &first, ret_status))
		return true;
	ret->names = argv + first;
	ret->n_names = argc - first;
	if (ret->path == NULL)
		ret->path = config_default_path(ret->default_path,
		    sizeof(ret->default_path));
	return false;
}
