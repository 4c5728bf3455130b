/*
 * What the subcommands share.
 */
#include "cmd/cmd.h"

#include <stdio.h>

#include "process/app.h"
#include "base/log.h"
#include "conf/config.h"

int
command_misused(const char *name, const char *what)
{
	log_err("%s", what);
	log_err("see culvert %s --help", name);
	return EXIT_USAGE;
}

bool
command_read(int argc, char **argv, const struct options_own *own,
    const char *help, int *ret_first, int *ret_status)
{
	char why[256];

	switch (options_read_own(argc, argv, own, ret_first, why)) {
	case OPTIONS_SUMMARY:
	case OPTIONS_HELP:
		fputs(help, stdout);
		*ret_status = EXIT_STOPPED;
		return true;
	case OPTIONS_VERSION:
		puts("culvert " CULVERT_VERSION);
		*ret_status = EXIT_STOPPED;
		return true;
	case OPTIONS_BAD:
		*ret_status = command_misused(argv[0], why);
		return true;
	case OPTIONS_RUN:
		break;
	}
	return false;
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
