/*
 * The command line.
 */
#include "conf/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/option.h"

/* ssh's own letters first; the colon in front: errors are ours to tell. */
static const char short_options[] = ":46F:i:J:l:p:o:c:vqL:R:h";

/* What getopt_long() returns for --help, --version and the first of the
 * table. */
enum {
	IS_HELP = 256,
	IS_VERSION,
	FIRST_OF_TABLE,
};

#define TABLE_MAX 80

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

static enum options_result
take(struct options *options, const struct option_entry *option,
    const char *text)
{
	const char *dashes = option->name[1] == '\0' ? "-" : "--";
	char why[200] = "out of memory";

	if (option_take(options, option, text != NULL ? text : "yes", why,
		sizeof(why)) != 0)
		return bad(options, "%s%s%s%s: %s", dashes, option->name,
		    text != NULL ? " " : "", text != NULL ? text : "", why);
	return OPTIONS_RUN;
}

static enum options_result
take_letter(struct options *options, int letter, char **argv)
{
	char name[] = { (char)letter, '\0' };

	switch (letter) {
	case IS_HELP:
	case 'h':
		return OPTIONS_HELP;
	case IS_VERSION:
		return OPTIONS_VERSION;
	case ':':
	case '?':
		return bad_option(options, argv[optind - 1], letter == ':');
	default:
		break;
	}
	if (letter >= FIRST_OF_TABLE)
		return take(options,
		    option_at((size_t)(letter - FIRST_OF_TABLE)), optarg);
	return take(options, option_find(name), optarg);
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
	if (options_check_destination(options->destination, options->why,
		sizeof(options->why)) != 0)
		return OPTIONS_BAD;
	return options_check(options) == 0 ? OPTIONS_RUN : OPTIONS_BAD;
}

/* As getopt_long() wants them. */
static void
list_long(struct option list[TABLE_MAX + 3])
{
	const struct option_entry *option;
	size_t n = 0;

	assert(option_at(TABLE_MAX) == NULL);
	memset(list, 0, (TABLE_MAX + 3) * sizeof(*list));
	for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
		if (option->name[1] == '\0')
			continue; /* in short_options */
		list[n++] = (struct option) {
			.name = option->name,
			.has_arg =
			    option->bare ? no_argument : required_argument,
			.val = FIRST_OF_TABLE + (int)i,
		};
	}
	list[n++] = (struct option) { "help", no_argument, NULL, IS_HELP };
	list[n] = (struct option) { "version", no_argument, NULL, IS_VERSION };
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	struct option list[TABLE_MAX + 3];
	enum options_result result;
	int letter;

	options_set_defaults(ret);
	list_long(list);
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_options, list, NULL)) !=
	    -1) {
		result = take_letter(ret, letter, argv);
		if (result != OPTIONS_RUN)
			return result;
	}
	return take_destination(ret, argc, argv);
}
