/*
 * culvert: FTP through SSH.  What is asked for, and whom to ask.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "base/process.h"
#include "base/title.h"
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
	{ "check", command_check },
	{ "config", command_config },
	{ "drain", command_order },
	{ "reload", command_order },
	{ "status", command_status },
	{ "stop", command_order },
	{ "up", command_up },
};

/* To standard output; a pipe that is full loses it, and that is a failure. */
static int
print(const char *const *texts)
{
	bool good = true;

	for (; *texts != NULL; texts++)
		good = good && fputs(*texts, stdout) >= 0;
	if (good && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	log_err("cannot write: %s", strerror(errno));
	return EXIT_FAILED;
}

static int
dispatch(int argc, char **argv)
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
	case OPTIONS_SUMMARY:
		status = print(options_summary());
		break;
	case OPTIONS_HELP:
		status = print(options_help());
		break;
	case OPTIONS_VERSION:
		status = print((const char *const[]) {
		    "culvert " CULVERT_VERSION "\n", NULL });
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

int
main(int argc, char **argv)
{
	int status = EXIT_FAILED, err = process_prepare();
	char **copy;

	if (err != 0) {
		log_err("cannot open /dev/null: %s", strerror(-err));
		return EXIT_FAILED;
	}
	/* Kernels before 5.18 start programs without even a name. */
	if (argc < 1)
		return EXIT_USAGE;
	/* The monitor gives itself another name: title_set(). */
	copy = title_copy_arguments(argc, argv);
	if (copy == NULL)
		log_err("out of memory");
	else
		status = dispatch(argc, copy);
	free(copy);
	return status;
}
