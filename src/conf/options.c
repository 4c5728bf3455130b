/*
 * The command line.
 */
#include "conf/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "limits.h"

/* Where people expect an FTP server, and where they have no root. */
#define DEFAULT_FORWARD "2121:localhost:21"

/* Options without a letter. */
enum {
	OPTION_SSH = 256,
	OPTION_BATCH,
	OPTION_FOREIGN_PORT,
	OPTION_ALLOW_TLS,
	OPTION_ANY_USER,
	OPTION_MAX_SESSIONS,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "ssh", required_argument, NULL, OPTION_SSH },
	{ "batch", no_argument, NULL, OPTION_BATCH },
	{ "foreign-port", required_argument, NULL, OPTION_FOREIGN_PORT },
	{ "allow-tls", no_argument, NULL, OPTION_ALLOW_TLS },
	{ "any-user", no_argument, NULL, OPTION_ANY_USER },
	{ "max-sessions", required_argument, NULL, OPTION_MAX_SESSIONS },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* ssh's own letters first; the colon in front: errors are ours to tell. */
static const char short_options[] = ":46F:i:J:l:p:o:c:vqL:h";
static const char for_ssh[] = "46FiJlpocv";

static const char help[] =
    "usage: culvert [options] [-L [bind:]port:host:hostport]... destination\n"
    "\n"
    "Carries FTP through SSH: connects to destination with ssh, listens, and "
    "lets any\n"
    "FTP client work in active and passive mode against the FTP server at\n"
    "host:hostport as the SSH server sees it.\n"
    "\n"
    "  -L [ftp/][bind_address:]port:host:hostport\n"
    "                    listen there, for that FTP server; repeatable "
    "(default\n"
    "                    " DEFAULT_FORWARD
    "; port 0: a free one; bind *: all)\n"
    "  -F -i -J -l -p -o -c -4 -6\n"
    "                    as in ssh(1), handed to it; ~/.ssh/config counts\n"
    "      --ssh PROGRAM use this ssh\n"
    "      --batch       never ask for passwords or host keys\n"
    "      --foreign-port refuse|pass\n"
    "                    PORT to another host or below 1024: refuse it "
    "(default), or\n"
    "                    hand it to the server untouched, outside of SSH\n"
    "      --allow-tls   let AUTH TLS through; data connections then do not "
    "use SSH\n"
    "      --any-user    on loopback take data connections of any local "
    "user\n"
    "      --max-sessions N\n"
    "                    at most N control connections at a time (default "
    "256)\n"
    "  -q                only errors\n"
    "  -v                more words, of ssh too; again for the FTP commands\n"
    "      --help, --version\n"
    "\n"
    "Then point the FTP client at the address in the line \"culvert: "
    "listening on\".\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 bad usage,\n"
    "255 ssh could not connect.\n";

static enum options_result bad(struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum options_result
bad(struct options *options, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(options->why, sizeof(options->why), format, args);
	va_end(args);
	return OPTIONS_BAD;
}

static enum options_result
add_forward(struct options *options, const char *spec)
{
	char why[160];

	if (options->n_forwards == OPTIONS_FORWARDS_MAX)
		return bad(options, "more than %d times -L",
		    OPTIONS_FORWARDS_MAX);
	if (forward_parse(spec, &options->forwards[options->n_forwards], why,
		sizeof(why)) != 0)
		return bad(options, "-L %s: %s", spec, why);
	options->n_forwards++;
	return OPTIONS_RUN;
}

/* Names the option that getopt complains of: a letter may stand in a cluster,
 * and then the word itself tells nothing. */
static enum options_result
bad_option(struct options *options, const char *word, bool known)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt > 0 && optopt < 256)
		word = letter;
	if (known)
		return bad(options, "%s needs a value", word);
	return bad(options, "unknown option %s", word);
}

/* Hands one option of ssh's on: "-x", and its value when it takes one. */
static void
add_for_ssh(struct options *options, int letter)
{
	static const char *const words[] = { "-4", "-6", "-F", "-i", "-J", "-l",
		"-p", "-o", "-c", "-v" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i][1] == letter)
			options->ssh_arguments[options->n_ssh_arguments++] =
			    words[i];
	if (optarg != NULL)
		options->ssh_arguments[options->n_ssh_arguments++] = optarg;
}

static enum options_result
take_policy(struct options *options, const char *word)
{
	if (strcmp(word, "pass") == 0)
		options->pass_foreign_port = true;
	else if (strcmp(word, "refuse") == 0)
		options->pass_foreign_port = false;
	else
		return bad(options,
		    "--foreign-port %s: expected \"refuse\" or \"pass\"", word);
	return OPTIONS_RUN;
}

static enum options_result
take_max_sessions(struct options *options, const char *text)
{
	uint64_t n;

	if (num_parse_text(text, 100000, &n) != 0 || n == 0)
		return bad(options,
		    "--max-sessions %s: expected a number from 1 to 100000",
		    text);
	options->max_sessions = (size_t)n;
	return OPTIONS_RUN;
}

static enum options_result
take(struct options *options, int letter, char **argv)
{
	if (letter < 256 && strchr(for_ssh, letter) != NULL)
		add_for_ssh(options, letter);
	switch (letter) {
	case 'L':
		return add_forward(options, optarg);
	case 'q':
		options->quiet = true;
		break;
	case 'v':
		options->verbose++;
		break;
	case OPTION_SSH:
		options->ssh = optarg;
		break;
	case OPTION_BATCH:
		options->batch = true;
		break;
	case OPTION_FOREIGN_PORT:
		return take_policy(options, optarg);
	case OPTION_ALLOW_TLS:
		options->allow_tls = true;
		break;
	case OPTION_ANY_USER:
		options->any_user = true;
		break;
	case OPTION_MAX_SESSIONS:
		return take_max_sessions(options, optarg);
	case 'h':
	case OPTION_HELP:
		return OPTIONS_HELP;
	case OPTION_VERSION:
		return OPTIONS_VERSION;
	case ':':
	case '?':
		return bad_option(options, argv[optind - 1], letter == ':');
	default:
		break;
	}
	return OPTIONS_RUN;
}

/* Where the host begins in [user@]host and ssh://[user@]host[:port]. */
static const char *
host_of(const char *destination)
{
	static const char scheme[] = "ssh://";
	const char *at = strrchr(destination, '@');

	if (at != NULL)
		return at + 1;
	if (strncmp(destination, scheme, strlen(scheme)) == 0)
		return destination + strlen(scheme);
	return destination;
}

static enum options_result
take_destination(struct options *options, int argc, char **argv)
{
	if (optind >= argc)
		return bad(options, "no destination: [user@]host, as for ssh");
	if (argc - optind > 1)
		return bad(options,
		    "one destination only; \"%s\" is one too many (culvert "
		    "runs no remote command)",
		    argv[optind + 1]);
	options->destination = argv[optind];
	if (options->destination[0] == '-' ||
	    host_of(options->destination)[0] == '-')
		return bad(options,
		    "the destination \"%s\": a host must not begin with \"-\"",
		    options->destination);
	if (options->destination[0] == '\0')
		return bad(options, "the destination is empty");
	if (options->n_forwards == 0)
		return add_forward(options, DEFAULT_FORWARD);
	return OPTIONS_RUN;
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	enum options_result result;
	int letter;

	memset(ret, 0, sizeof(*ret));
	ret->ssh = "ssh";
	ret->max_sessions = LIMIT_SESSIONS;
	/* A cluster like -vv46 yields an argument a letter. */
	ret->ssh_arguments = calloc(2, sizeof(char *));
	if (ret->ssh_arguments == NULL)
		return bad(ret, "out of memory");
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_options, long_options,
		    NULL)) != -1) {
		const char **grown = realloc(ret->ssh_arguments,
		    (ret->n_ssh_arguments + 4) * sizeof(char *));

		if (grown == NULL)
			return bad(ret, "out of memory");
		ret->ssh_arguments = grown;
		result = take(ret, letter, argv);
		if (result != OPTIONS_RUN)
			return result;
	}
	return take_destination(ret, argc, argv);
}

void
options_free(struct options *options)
{
	free(options->ssh_arguments);
	options->ssh_arguments = NULL;
}

const char *
options_help(void)
{
	return help;
}
