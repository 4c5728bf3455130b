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
static int
run_tunnels(const struct config_tunnel *line)
{
	const struct link_options link =
	    destination_link_options(&line->options, 0);
	const struct app_options options = {
		.process = &line->options,
		.links = &link,
		.n = 1,
	};
	struct destination *destination;
	struct app *app;
	int status;

	options_set_log(&line->options);
	app = app_open(&options, &status);
	if (app == NULL)
		return status;
	destination = destination_new(&app->shared, 0, line, NULL);
	return app_run(app,
	    destination != NULL && entry_new(destination, line, NULL) != NULL);
}

/* To standard output.  Not to be able to write there is a failure. */
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
	static struct config_tunnel line; /* without a name */
	int status = EXIT_STOPPED;

	switch (options_parse(argc, argv, &line.options)) {
	case OPTIONS_RUN:
		status = run_tunnels(&line);
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
		log_err("%s", line.options.why);
		log_err("see culvert --help");
		status = EXIT_USAGE;
		break;
	}
	options_free(&line.options);
	return status;
}
