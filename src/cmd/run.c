/*
 * culvert DESTINATION: the tunnels of -L and -R.
 */
#include "base/log.h"
#include "cmd/cmd.h"
#include "process/app.h"

/* Runs one destination, with one entry that has all -L and -R. */
static int
run_tunnels(const struct config_tunnel *line)
{
	const struct link_options link =
	    destination_link_options(&line->options, 0);
	struct logins logins;
	const struct app_options options = {
		.process = &line->options,
		.links = &link,
		.n = 1,
		.logins = &logins,
	};
	char why[SETTINGS_WHY_MAX];
	struct destination *destination;
	struct app *app;
	int status;

	options_set_log(&line->options);
	if (logins_read(line, 1, NULL, &logins, why) != 0) {
		log_err("%s", why);
		logins_free(&logins);
		return EXIT_FAILED;
	}
	app = app_open(&options, &status);
	if (app != NULL) {
		destination = destination_new(&app->shared, 0, line, NULL);
		status = app_run(app,
		    destination != NULL &&
			entry_new(destination, line, NULL) != NULL);
	}
	logins_free(&logins);
	return status;
}

int
command_run(int argc, char **argv)
{
	static struct config_tunnel line; /* without a name */
	enum options_result result = options_parse(argc, argv, &line.options);
	int status;

	if (!command_ended(result, NULL,
		result == OPTIONS_SUMMARY ? options_summary() : options_help(),
		line.options.why, &status))
		status = run_tunnels(&line);
	options_free(&line.options);
	return status;
}
