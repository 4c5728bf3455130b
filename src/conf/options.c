/*
 * The command line.
 */
#include "conf/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "conf/option.h"

/* ssh's own letters first; the colon in front: errors are ours to tell. */
static const char short_options[] = ":46F:i:J:l:p:o:c:vqL:R:h";

/* What getopt_long() returns for --help, --version, the first of a
 * subcommand's own and the first of the table. */
enum {
	IS_HELP = 256,
	IS_VERSION,
	FIRST_OWN,
	FIRST_OF_TABLE = FIRST_OWN + 16,
};

#define TABLE_MAX 80

/* As getopt_long() wants them. */
struct option_lists {
	struct option list[FIRST_OF_TABLE - FIRST_OWN + TABLE_MAX + 3];
	char letters[sizeof(short_options) + 2 * (FIRST_OF_TABLE - FIRST_OWN)];
};

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
options_take(struct options *options, const struct options_more *more,
    const struct option_entry *option, const char *text)
{
	const char *dashes = option->name[1] == '\0' ? "-" : "--";
	char why[200] = "out of memory";

	if (more->given != NULL)
		more->given(more->ctx, option, text);
	if (option_take(options, option, text != NULL ? text : "yes", why,
		sizeof(why)) != 0)
		return bad(options, "%s%s%s%s: %s", dashes, option->name,
		    text != NULL ? " " : "", text != NULL ? text : "", why);
	return OPTIONS_RUN;
}

static enum options_result
take_own(const struct options_own *own, const char *text)
{
	if (own->flag != NULL)
		*own->flag = true;
	if (own->text != NULL)
		*own->text = text;
	return OPTIONS_RUN;
}

/* The one of that letter, or NULL. */
static const struct options_own *
own_letter(const struct options_more *more, int letter)
{
	const struct options_own *own = more->own;

	while (own != NULL && own->name != NULL &&
	    (own->name[1] != '\0' || own->name[0] != letter))
		own++;
	return own != NULL && own->name != NULL ? own : NULL;
}

static enum options_result
take_letter(struct options *options, const struct options_more *more,
    int letter, char **argv)
{
	char name[] = { (char)letter, '\0' };
	const struct options_own *own = own_letter(more, letter);

	if (own != NULL)
		return take_own(own, optarg);

	switch (letter) {
	case 'h':
		return OPTIONS_SUMMARY;
	case IS_HELP:
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
		return options_take(options, more,
		    option_at((size_t)(letter - FIRST_OF_TABLE)), optarg);
	if (letter >= FIRST_OWN && more->own != NULL)
		return take_own(&more->own[letter - FIRST_OWN], optarg);
	return options_take(options, more, option_find(name), optarg);
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
	return OPTIONS_RUN;
}

/* A subcommand's own; returns how many of them are in the list. */
static size_t
list_own(struct option_lists *lists, const struct options_own *own)
{
	size_t n = 0;

	for (size_t i = 0; own != NULL && own[i].name != NULL; i++) {
		assert(i < FIRST_OF_TABLE - FIRST_OWN);
		if (own[i].name[1] == '\0') {
			strcat(lists->letters, own[i].name);
			strcat(lists->letters, own[i].flag == NULL ? ":" : "");
			continue;
		}
		lists->list[n++] = (struct option) {
			.name = own[i].name,
			.has_arg = own[i].flag != NULL ? no_argument :
							 required_argument,
			.val = FIRST_OWN + (int)i,
		};
	}
	return n;
}

/* Is it in the list already? */
static bool
is_listed(const struct option_lists *lists, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(lists->list[i].name, name) == 0)
			return true;
	return false;
}

static void
list_all(struct option_lists *lists, const struct options_own *own)
{
	const struct option_entry *option;
	size_t n_own, n;

	assert(option_at(TABLE_MAX) == NULL);
	memset(lists, 0, sizeof(*lists));
	memcpy(lists->letters, short_options, sizeof(short_options));
	n = n_own = list_own(lists, own);
	for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
		if (option->name[1] == '\0' ||
		    is_listed(lists, n_own, option->name))
			continue; /* in short_options, or hidden */
		lists->list[n++] = (struct option) {
			.name = option->name,
			.has_arg =
			    option->bare ? no_argument : required_argument,
			.val = FIRST_OF_TABLE + (int)i,
		};
	}
	lists->list[n++] =
	    (struct option) { "help", no_argument, NULL, IS_HELP };
	lists->list[n] =
	    (struct option) { "version", no_argument, NULL, IS_VERSION };
}

enum options_result
options_read(int argc, char **argv, const struct options_more *more,
    struct options *ret)
{
	struct option_lists lists;
	enum options_result result;
	int letter;

	options_set_defaults(ret);
	list_all(&lists, more->own);
	optind = 0;
	while ((letter = getopt_long(argc, argv, lists.letters, lists.list,
		    NULL)) != -1) {
		result = take_letter(ret, more, letter, argv);
		if (result != OPTIONS_RUN)
			return result;
	}
	return take_destination(ret, argc, argv);
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	const struct options_own own[] = {
		{ .name = "f", .flag = &ret->background },
		{ .name = "background", .flag = &ret->background },
		{ .name = NULL },
	};
	const struct options_more more = { .own = own };
	enum options_result result = options_read(argc, argv, &more, ret);

	if (result == OPTIONS_RUN &&
	    (options_check_destination(ret->destination, ret->why,
		 sizeof(ret->why)) != 0 ||
		options_check(ret) != 0))
		return OPTIONS_BAD;
	return result;
}

void
options_set_log(const struct options *options)
{
	if (options->quiet)
		log_set_level(LOG_LEVEL_ERR);
	else if (options->verbose == 0)
		log_set_level(LOG_LEVEL_INFO);
	else
		log_set_level(options->verbose == 1 ? LOG_LEVEL_VERBOSE :
						      LOG_LEVEL_DEBUG);
}
