/*
 * culvert DESTINATION: the tunnels of -L and -R.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "process/app.h"

/* One destination, and one entry with all -L and -R. */
static bool
run_fill_app(void *ctx, struct app *app)
{
	const struct entry_plan plan = { .options = { .options = ctx } };
	struct destination *destination = app_add(app, 0, &plan.options);

	return destination != NULL &&
	    destination_add(destination, &plan) != NULL;
}

static int
run_tunnels(struct options *options)
{
	const struct options *const to[] = { options };
	const struct app_owner owner = { .fill = run_fill_app, .ctx = options };

	options_set_log(options);
	return app_run(options, to, 1, &owner);
}

/* To standard output; a pipe that is full loses it, and that is a failure. */
static int
run_print(const char *const *texts)
{
	bool good = true;

	for (; *texts != NULL; texts++)
		good = good && fputs(*texts, stdout) >= 0;
	if (good && fflush(stdout) == 0)
		return EXIT_STOPPED;
	log_err("cannot write: %s", strerror(errno));
	return EXIT_FAILED;
}

int
command_run(int argc, char **argv)
{
	static struct options options;
	int status = EXIT_STOPPED;

	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_RUN:
		status = run_tunnels(&options);
		break;
	case OPTIONS_SUMMARY:
		status = run_print(options_summary());
		break;
	case OPTIONS_HELP:
		status = run_print(options_help());
		break;
	case OPTIONS_VERSION:
		status = run_print((const char *const[]) {
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
