/*
 * culvert: FTP through SSH.  What is asked for, and whom to ask.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "commands.h"

static int
run(const struct options *options)
{
	const struct destination_tunnel tunnel = { .options = options };
	const struct destination_plan plan = { .tunnels = &tunnel, .n = 1 };

	commands_set_log(options);
	return app_run(options, false, &plan, 1);
}

/* "culvert -- config" is a destination of that name. */
static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
} subcommands[] = {
	{ "config", command_config },
	{ "up", command_up },
};

int
main(int argc, char **argv)
{
	static struct options options;
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]);
	     i++)
		if (argc > 1 && strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_RUN:
		status = run(&options);
		break;
	case OPTIONS_HELP:
		for (size_t i = 0; options_help()[i] != NULL; i++)
			fputs(options_help()[i], stdout);
		break;
	case OPTIONS_VERSION:
		puts("culvert " CULVERT_VERSION);
		break;
	case OPTIONS_BAD:
		log_err("%s", options.why);
		log_err("see culvert --help");
		status = EXIT_USAGE;
		break;
	}
	options_free(&options);
	return status;
}
