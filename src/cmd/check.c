/*
 * culvert check: its options, and the tunnel or destination to check.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "check/check.h"
#include "cmd/cmd.h"
#include "conf/config.h"
#include "limits.h"
#include "process/app.h"
#include "process/logins.h"

static const char help[] =
    "usage: culvert check [options] [-L|-R ...] destination\n"
    "       culvert check [-f FILE] [options] NAME\n"
    "\n"
    "Tests whether FTP transfers will work through this destination, or through the\n"
    "tunnel NAME of the configuration file: it connects, logs in, and lists a\n"
    "directory in each mode; or, for \"-L sftp/...\", stores a small file and removes\n"
    "it.  For each step that fails it prints a fix, and where to make it.  Nothing else\n"
    "is changed.  The options are those of culvert, and:\n"
    "\n"
    "      --user NAME   log in to the FTP server as NAME; culvert asks for the\n"
    "                    password on the terminal if the netrc file has none\n"
    "      --netrc FILE  read FTP users and passwords from FILE (default: ~/.netrc);\n"
    "                    without --user, its entry for the FTP server's host is used\n"
    "      --timeout SECONDS\n"
    "                    how long to wait for a connection (default: 10); other waits\n"
    "                    change in proportion\n"
    "      --json        print one JSON object\n"
    "  -f FILE           read this configuration file (default: that of culvert up)\n"
    "  -q                print only what is not ok\n"
    "  -v                print what ssh -v prints, too\n"
    "      --help\n"
    "\n"
    "Exit status: 0 transfers will work, 1 something is wrong, 2 bad usage, 3 nothing\n"
    "is wrong, but some steps were not tried.\n";

/* The command line, and the tunnel that it names. */
struct line {
	struct options options;
	const char *user;
	const char *netrc;
	const char *timeout; /* --timeout, or NULL */
	uint64_t timeout_s;  /* as a number; 0: not given */
	const char *path;    /* of the configuration file, -f; or NULL */
	unsigned json;
	bool own; /* an option was given that belongs in a section of the
		   * file */
	struct suggest_option *given;
	size_t n_given;
	struct config config;
	const struct config_tunnel *tunnel; /* or NULL */
	char default_path[512];
};

/* Stores each option for the command that check suggests at the end. */
static void
on_given(void *ctx, const struct option_entry *option, const char *value)
{
	struct line *line = ctx;

	line->own |= option->scope != OPTION_PROCESS;
	line->given[line->n_given++] =
	    (struct suggest_option) { option->name, value };
}

static enum options_result
check_bad_line(struct line *line, const char *why)
{
	snprintf(line->options.why, sizeof(line->options.why), "%s", why);
	return OPTIONS_BAD;
}

static enum options_result
check_read_line(int argc, char **argv, struct line *line)
{
	const struct options_own own[] = {
		{ "background", '\0', .count = &line->options.background },
		{ NULL, 'f', .value = &line->path },
		{ "json", '\0', .count = &line->json },
		{ "netrc", '\0', .value = &line->netrc },
		{ "timeout", '\0', .value = &line->timeout },
		{ "user", '\0', .value = &line->user },
		{ .name = NULL },
	};
	const struct options_more more = {
		.own = own,
		.given = on_given,
		.ctx = line,
	};
	enum options_result result;
	size_t most = 1;

	/* One word may have several options, one for each letter. */
	for (int i = 0; i < argc; i++)
		most += strlen(argv[i]) + 1;
	line->given = calloc(most, sizeof(*line->given));
	if (line->given == NULL)
		return check_bad_line(line, "out of memory");
	result = options_read(argc, argv, &more, &line->options);
	if (result != OPTIONS_RUN || line->timeout == NULL)
		return result;
	if (num_parse_text(line->timeout, LIMIT_CHECK_TIMEOUT_S,
		&line->timeout_s) != 0 ||
	    line->timeout_s == 0)
		return check_bad_line(line,
		    "--timeout takes a number of seconds from 1 to 600");
	return OPTIONS_RUN;
}

/* ---- the tunnel ---- */

/* Reads the configuration file, if there is one.  False: it was named by -f and
 * cannot be read; the reason has been logged. */
static bool
read_config(struct line *line)
{
	const char *path = line->path;
	char why[SETTINGS_WHY_MAX];

	if (path == NULL)
		path = config_default_path(line->default_path,
		    sizeof(line->default_path));
	if (config_read(path, &line->config, why) == 0)
		return true;
	config_free(&line->config);
	line->config = (struct config) { .n_tunnels = 0 };
	if (line->path != NULL)
		log_err("%s", why);
	else
		log_verbose("%s", why);
	return line->path == NULL;
}

/* The path of the file that was read. */
static const char *
config_path(const struct line *line)
{
	const struct settings *settings = &line->config.settings;

	return settings->n_files > 0 ? settings->files[0] : "";
}

/* With --login ssh there is no account of the destination.  False:
 * options->why says so. */
static bool
check_has_account(struct options *options, const struct options *of)
{
	if (!of->login.ssh)
		return true;
	snprintf(options->why, sizeof(options->why),
	    "with --login ssh each FTP client has its own account; test one, "
	    "without --login: culvert check -L sftp/0 USER@%s",
	    of->destination);
	return false;
}

/* Finds the tunnel that the command line names, if it names one.  False:
 * options->why says what is wrong with the command line. */
static bool
find_tunnel(struct line *line)
{
	struct options *options = &line->options;

	line->tunnel = config_find(&line->config, options->destination);
	if (line->tunnel == NULL)
		return options_check_destination(options->destination,
			   options->why, sizeof(options->why)) == 0 &&
		    options_check(options) == 0 &&
		    check_has_account(options, options);
	if (line->tunnel->options.capture != OPTIONS_CAPTURE_NOT) {
		snprintf(options->why, sizeof(options->why),
		    "[tunnel %s] captures connections, so it has no FTP server "
		    "of its own; check one with -L PORT:HOST:21 %s",
		    line->tunnel->name, line->tunnel->options.destination);
		return false;
	}
	if (!line->own)
		return check_has_account(options, &line->tunnel->options);
	snprintf(options->why, sizeof(options->why),
	    "[tunnel %s] has its options in %s; only -q, -v and --no-confine "
	    "can be added",
	    line->tunnel->name, config_path(line));
	return false;
}

/* ---- culvert check ---- */

/* Stores why culvert would refuse the login file.  False: it would not; or the
 * file is for another user only, who may run culvert. */
static bool
check_refuses_logins(const struct line *line, char why[SETTINGS_WHY_MAX])
{
	const struct config_tunnel given = { .options = line->options };
	const struct config_tunnel *tunnel =
	    line->tunnel != NULL ? line->tunnel : &given;
	const char *path = tunnel->options.sftp.login_file;
	struct logins logins;
	bool refuses;

	if (path == NULL || (access(path, R_OK) != 0 && errno == EACCES))
		return false;
	refuses = logins_read(tunnel, 1, NULL, &logins, why) != 0;
	logins_free(&logins);
	return refuses;
}

static int
check_tunnel(struct line *line)
{
	struct options options =
	    line->tunnel != NULL ? line->tunnel->options : line->options;
	const struct config_tunnel *nearest =
	    config_nearest(&line->config, options.destination);
	struct check_options check = {
		.options = &options,
		.given = line->given,
		.n_given = line->n_given,
		.tunnel = line->tunnel != NULL ? line->tunnel->name : NULL,
		.config = line->path,
		.ftp_user = line->user,
		.netrc = line->netrc,
		.json = line->json > 0,
		.timeout_s = line->timeout_s,
	};
	size_t n = options.ssh_arguments.n;
	const char **arguments = calloc(n + 1, sizeof(*arguments));
	char why[SETTINGS_WHY_MAX];
	int status;

	if (arguments == NULL) {
		log_err("out of memory");
		return EXIT_FAILED;
	}
	if (check_refuses_logins(line, why))
		check.login_file_why = why;
	options.quiet = line->options.quiet;
	options.no_confine |= line->options.no_confine;
	/* If root runs culvert up, it becomes this user. */
	if (check.tunnel != NULL && geteuid() == 0)
		check.user = line->config.process.user;
	if (check.tunnel == NULL && nearest != NULL) {
		check.looked = config_path(line);
		check.nearest = nearest->name;
		check.named = line->path != NULL;
	}
	arguments[0] = "-v";
	for (size_t i = 0; i < n; i++)
		arguments[i + 1] = options.ssh_arguments.texts[i];
	check.link = destination_link_options(&options, 0);
	check.link.arguments = arguments;
	check.link.n_arguments = n + 1;
	status = check_run(&check);
	free(arguments);
	return status;
}

int
command_check(int argc, char **argv)
{
	static const char *const texts[] = { help, NULL };
	static struct line line;
	enum options_result result = check_read_line(argc, argv, &line);
	int status = EXIT_FAILED;

	if (!command_ended(result, argv[0], texts, line.options.why, &status)) {
		options_set_log(&line.options);
		if (read_config(&line))
			status = find_tunnel(&line) ?
			    check_tunnel(&line) :
			    command_misused(argv[0], line.options.why);
		config_free(&line.config);
	}
	options_free(&line.options);
	free(line.given);
	return status;
}
