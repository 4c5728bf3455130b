/*
 * What the subcommands share.
 */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "conf/config.h"

void
commands_set_log(const struct options *options)
{
	if (options->quiet)
		log_set_level(LOG_LEVEL_ERR);
	else if (options->verbose == 0)
		log_set_level(LOG_LEVEL_INFO);
	else
		log_set_level(options->verbose == 1 ? LOG_LEVEL_VERBOSE :
						      LOG_LEVEL_DEBUG);
}

int
command_misused(const char *name, const char *what)
{
	log_err("%s", what);
	log_err("see culvert %s --help", name);
	return EXIT_USAGE;
}

bool
command_line_read(int argc, char **argv, const char *flag, const char *help,
    struct command_line *ret, int *ret_status)
{
	const struct option list[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ flag, no_argument, NULL, 'F' },
		{ NULL, 0, NULL, 0 },
	};
	char what[200];
	int letter;

	*ret = (struct command_line) { .path = NULL };
	optind = 0;
	while ((letter = getopt_long(argc, argv, ":f:hqv", list, NULL)) != -1) {
		switch (letter) {
		case 'f':
			ret->path = optarg;
			break;
		case 'F':
			ret->flag = true;
			break;
		case 'q':
			ret->quiet = true;
			break;
		case 'v':
			ret->verbose++;
			break;
		case 'h':
			fputs(help, stdout);
			*ret_status = EXIT_STOPPED;
			return true;
		default:
			snprintf(what, sizeof(what),
			    letter == ':' ? "%s needs a value" :
					    "unknown option %s",
			    argv[optind - 1]);
			*ret_status = command_misused(argv[0], what);
			return true;
		}
	}
	ret->names = argv + optind;
	ret->n_names = argc - optind;
	if (ret->path == NULL)
		ret->path = config_default_path(ret->default_path,
		    sizeof(ret->default_path));
	return false;
}
