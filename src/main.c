/*
 * culvert: FTP through SSH.  What is asked for, and whom to ask.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "commands.h"

/* One destination, and one entry with all -L and -R. */
static bool
fill(void *ctx, struct app *app)
{
	const struct entry_plan plan = { .options = { .options = ctx } };
	struct destination *destination = app_add(app, 0, &plan.options);

	return destination != NULL &&
	    destination_add(destination, &plan) != NULL;
}

static int
run(struct options *options)
{
	const struct options *const to[] = { options };
	const struct app_owner owner = { .fill = fill, .ctx = options };

	commands_set_log(options);
	return app_run(options, to, 1, &owner);
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
