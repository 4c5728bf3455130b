/*
 * culvert exec: a command whose FTP connections go through SSH.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/supervisor.h"
#include "cmd/cmd.h"
#include "process/app.h"
#include "process/exec.h"

static const char help[] =
    "usage: culvert exec [options] destination -- command [argument ...]\n"
    "\n"
    "Runs a command whose FTP connections go through SSH to the destination, without\n"
    "any setting in it: the TCP connections to port 21 of every host, and the data\n"
    "connections.  This includes the programs that it starts.  Everything else that it\n"
    "does is unchanged.  Captured connections never go another way: if the SSH\n"
    "connection is lost, they fail.\n"
    "\n"
    "The options are those of culvert but -L, -R and -f, and:\n"
    "\n"
    "      --capture HOST[:PORT]\n"
    "                    capture connections to this host and port (default: 21) as\n"
    "                    well; HOST is a name, an address, a network or *\n"
    "      --map NAME[=HOST]\n"
    "                    the command finds NAME, and the far side looks up HOST\n"
    "                    (default: NAME)\n"
    "      --only        refuse all other TCP connections but those to this host\n"
    "      --gateway     use the destination's SFTP server in place of the FTP servers\n"
    "      --help\n"
    "\n"
    "Exit status: the command's; 255 if ssh cannot connect, 126 if the command cannot\n"
    "be run, 127 if it is not there, 1 or 2 if culvert cannot start.\n";

static const char *const help_texts[] = { help, NULL };

/* The command line. */
struct exec_line {
	struct config_tunnel tunnel; /* without a name */
	struct exec_plan plan;
	char *const *command;
	struct options_list captures;
	struct options_list maps;
	unsigned only;
	unsigned gateway;
};

static enum options_result
exec_bad_line(struct exec_line *line, const char *option, const char *value,
    const char *why)
{
	char *to = line->tunnel.options.why;

	option_refuse(to, sizeof(line->tunnel.options.why), "%s%s%s%s%s",
	    option, value != NULL ? " " : "", value != NULL ? value : "",
	    value != NULL ? ": " : "", why);
	return OPTIONS_BAD;
}

static enum options_result
make_plan(struct exec_line *line)
{
	struct exec_plan *plan = &line->plan;
	char why[200];
	size_t i;

	plan->only = line->only > 0;
	plan->gateway = line->gateway > 0;
	for (i = 0; i < line->maps.n; i++)
		if (exec_plan_map(plan, line->maps.texts[i], why,
			sizeof(why)) != 0)
			return exec_bad_line(line, "--map", line->maps.texts[i],
			    why);
	for (i = 0; i < line->captures.n; i++)
		if (exec_plan_capture(plan, line->captures.texts[i], why,
			sizeof(why)) != 0)
			return exec_bad_line(line, "--capture",
			    line->captures.texts[i], why);
	return OPTIONS_RUN;
}

/* Checks the options as if they were those of the tunnels that will be made. */
static enum options_result
check_tunnels(struct exec_line *line)
{
	struct options *options = &line->tunnel.options;
	char why[200];

	if (options->user != NULL)
		return exec_bad_line(line,
		    "culvert exec runs the command as the user who has started "
		    "it: --user is not for it",
		    NULL, "");
	if (options->login.ssh)
		return exec_bad_line(line,
		    "culvert exec connects before the command runs: --login "
		    "ssh is not for it",
		    NULL, "");
	if (options->n_forwards > 0)
		return exec_bad_line(line,
		    "culvert exec makes its tunnels itself: -L and -R are not "
		    "for it",
		    NULL, "");
	if (options_check_destination(options->destination, options->why,
		sizeof(options->why)) != 0)
		return OPTIONS_BAD;
	if (option_take(options, option_find("L"),
		line->gateway > 0 ? "sftp/0" : "0:localhost:21", why,
		sizeof(why)) != 0)
		return exec_bad_line(line, why, NULL, "");
	if (options_check(options) != 0)
		return OPTIONS_BAD;
	options->n_forwards = 0;
	/* A client may find out its own address by other ways than its control
	 * connection. */
	options->client_data_host_control = true;
	return OPTIONS_RUN;
}

/* Reads everything before "--"; the command is behind it. */
static enum options_result
exec_read_line(int argc, char **argv, struct exec_line *line)
{
	const struct options_own own[] = {
		{ "capture", '\0', .list = &line->captures },
		{ "gateway", '\0', .count = &line->gateway },
		{ "map", '\0', .list = &line->maps },
		{ "only", '\0', .count = &line->only },
		{ .name = NULL },
	};
	const struct options_more more = { .own = own };
	enum options_result result;
	int end = 0;

	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	result = options_read(end, argv, &more, &line->tunnel.options);
	if (result != OPTIONS_RUN)
		return result;
	if (end + 1 >= argc)
		return exec_bad_line(line,
		    "no command: give it after \"--\", as in \"culvert exec "
		    "alice@gate -- ./nightly.sh\"",
		    NULL, "");
	line->command = &argv[end + 1];
	result = check_tunnels(line);
	return result == OPTIONS_RUN ? make_plan(line) : result;
}

/* ---- the two processes ---- */

static int
run_supervisor(void *ctx, int fd)
{
	const struct exec_line *line = ctx;
	const struct supervisor_options options = {
		.plan = &line->plan,
		.command = line->command,
		.main = fd,
	};

	return supervisor_run(&options);
}

static int
run_exec(struct exec_line *line)
{
	static struct exec exec;
	const struct link_options link =
	    destination_link_options(&line->tunnel.options, 0);
	struct logins logins;
	const struct app_options options = {
		.process = &line->tunnel.options,
		.links = &link,
		.n = 1,
		.logins = &logins,
		.exec = &exec,
	};
	char why[SETTINGS_WHY_MAX];
	struct destination *destination;
	struct app *app;
	int status;

	options_set_log(&line->tunnel.options);
	if (logins_read(&line->tunnel, 1, NULL, &logins, why) != 0) {
		log_err("%s", why);
		logins_free(&logins);
		return EXIT_FAILED;
	}
	exec.plan = &line->plan;
	exec.work = (struct foreground_work) { run_supervisor, line };
	app = app_open(&options, &status);
	if (app != NULL) {
		destination =
		    destination_new(&app->shared, 0, &line->tunnel, NULL);
		if (destination != NULL)
			exec.entry =
			    entry_new(destination, &line->tunnel, NULL);
		status = app_run(app, exec.entry != NULL);
	}
	logins_free(&logins);
	return status;
}

int
command_exec(int argc, char **argv)
{
	static struct exec_line line;
	enum options_result result = exec_read_line(argc, argv, &line);
	int status;

	if (!command_ended(result, "exec", help_texts, line.tunnel.options.why,
		&status))
		status = run_exec(&line);
	free(line.captures.texts);
	free(line.maps.texts);
	options_free(&line.tunnel.options);
	return status;
}
