/*
 * Tests of ftp/command: verbs, arguments, and what a log may show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/command.h"
#include "ftp/secrets.h"
#include "split.h"

/* The flags about replies, data and the log. */
#define SEEN (VERB_IS_ORDINARY - 1U)

struct expectation {
	const char *line;
	enum verb verb;
	unsigned flags;
	const char *arg;
	const char *shown; /* by command_loggable() */
};

static const struct expectation lines[] = {
	{ "USER joe\r\n", VERB_USER, VERB_VOIDS_DATA, "joe", "USER joe" },
	{ "REIN\r\n", VERB_REIN, VERB_VOIDS_DATA, "", "REIN" },
	{ "PASS geheim\r\n", VERB_PASS, VERB_IS_SECRET, "geheim", "PASS ****" },
	{ "pAsS  two words \n", VERB_PASS, VERB_IS_SECRET, "two words ",
	    "pAsS  ****" },
	{ " PASS geheim\r\n", VERB_PASS, VERB_IS_SECRET, "geheim",
	    " PASS ****" },
	{ "\xff\xf4\xff\xf2PASS x", VERB_PASS, VERB_IS_SECRET, "x",
	    "\xff\xf4\xff\xf2PASS ****" },
	{ "PASS\r\n", VERB_PASS, VERB_IS_SECRET, "", "PASS" },
	{ "ACCT x\r\n", VERB_ACCT, VERB_IS_SECRET, "x", "ACCT ****" },
	{ "SYST x\rSITE PSWD old new\r\n", VERB_OTHER, 0,
	    "x\rSITE PSWD old new", "SYST x****" },
	{ "PASSWORD x\r\n", VERB_OTHER, 0, "x", "****" },
	{ "QUIT\r\n", VERB_QUIT, 0, "", "QUIT" },
	{ "\xff\xf4\xff\xf2"
	  "ABOR\r\n",
	    VERB_ABOR, 0, "",
	    "\xff\xf4\xff\xf2"
	    "ABOR" },
	{ "\xf2"
	  "ABOR\r\n",
	    VERB_OTHER, 0, "",
	    "\xf2"
	    "ABOR" },
	{ "MODE Z\r\n", VERB_MODE, 0, "Z", "MODE Z" },
	{ "FEAT\r\n", VERB_FEAT, 0, "", "FEAT" },
	{ "AUTH TLS\r\n", VERB_AUTH, 0, "TLS", "AUTH TLS" },
	{ "PORT 1,2,3,4,5,6\r\n", VERB_PORT, VERB_IS_ACTIVE, "1,2,3,4,5,6",
	    "PORT 1,2,3,4,5,6" },
	{ "EPRT |1|\r\n", VERB_EPRT, VERB_IS_ACTIVE, "|1|", "EPRT |1|" },
	{ "LPRT 4\r\n", VERB_LPRT, 0, "4", "LPRT 4" },
	{ "PASV\r\n", VERB_PASV, VERB_IS_PASSIVE, "", "PASV" },
	{ "p@sw\r\n", VERB_PASV, VERB_IS_PASSIVE, "", "p@sw" },
	{ "CPSV\r\n", VERB_PASV, VERB_IS_PASSIVE, "", "CPSV" },
	{ "EPSV ALL\r\n", VERB_EPSV, VERB_IS_PASSIVE, "ALL", "EPSV ALL" },
	{ "LPSV \r\n", VERB_LPSV, 0, "", "LPSV " },
	{ "RETR PORT 1,2,3,4,5,6\r\n", VERB_RETR, VERB_RECEIVES,
	    "PORT 1,2,3,4,5,6", "RETR PORT 1,2,3,4,5,6" },
	{ "STOR \xe4\rb\n", VERB_STOR, VERB_SENDS, "\xe4\rb", "STOR \xe4\rb" },
	{ "STOU\r\n", VERB_STOU, VERB_SENDS, "", "STOU" },
	{ "APPE x\r\n", VERB_APPE, VERB_SENDS, "x", "APPE x" },
	{ "LIST -a\tb\r\n", VERB_LIST, VERB_RECEIVES, "-a\tb", "LIST -a\tb" },
	{ "nlst\t x\r\n", VERB_NLST, VERB_RECEIVES, "x", "nlst\t x" },
	{ "MLSD\r", VERB_OTHER, 0, "", "****" },
	{ "MLSD", VERB_MLSD, VERB_RECEIVES, "", "MLSD" },
	{ "MLST x\r\n", VERB_OTHER, 0, "x", "MLST x" },
	{ "XNLST x\r\n", VERB_OTHER, 0, "x", "XNLST ****" },
	{ "SITE PORT 1,2,3,4,5,6\r\n", VERB_OTHER, 0, "PORT 1,2,3,4,5,6",
	    "SITE PORT ****" },
	/* Known to be harmless: shown. */
	{ "SITE chmod 644 x\r\n", VERB_OTHER, 0, "chmod 644 x",
	    "SITE chmod 644 x" },
	{ "SITE\r\n", VERB_OTHER, 0, "", "SITE" },
	{ "OPTS UTF8 ON\r\n", VERB_OTHER, 0, "UTF8 ON", "OPTS UTF8 ON" },
	/* Not known to be harmless: not shown. */
	{ "SITE PSWD old new\r\n", VERB_OTHER, 0, "PSWD old new",
	    "SITE PSWD ****" },
	{ "SITE CHPASS x\r\n", VERB_OTHER, 0, "CHPASS x", "SITE ****" },
	{ "SITE geheim\r\n", VERB_OTHER, 0, "geheim", "SITE ****" },
	{ "SITE CHMODX x\r\n", VERB_OTHER, 0, "CHMODX x", "SITE ****" },
	{ "XAUT 2 x\r\n", VERB_OTHER, 0, "2 x", "XAUT ****" },
	{ "ADAT x\r\n", VERB_OTHER, 0, "x", "ADAT ****" },
	{ "MIC x\r\n", VERB_OTHER, VERB_IS_SECRET, "x", "MIC ****" },
	{ "ENC x\r\n", VERB_OTHER, VERB_IS_SECRET, "x", "ENC ****" },
	{ "CONF x\r\n", VERB_OTHER, VERB_IS_SECRET, "x", "CONF ****" },
	{ "XPAS x\r\n", VERB_OTHER, 0, "x", "XPAS ****" },
	{ "AUTH KERBEROS_V4 x\r\n", VERB_AUTH, 0, "KERBEROS_V4 x",
	    "AUTH KERBEROS_V4****" },
	{ "USER joe geheim\r\n", VERB_USER, VERB_VOIDS_DATA, "joe geheim",
	    "USER joe****" },
	/* A password without PASS, or with it in another form. */
	{ "geheim\r\n", VERB_OTHER, 0, "", "****" },
	{ "geh.\r\n", VERB_OTHER, 0, "", "****" },
	{ "PASSgeheim\r\n", VERB_OTHER, 0, "", "****" },
	{ "PASS\fgeheim\r\n", VERB_OTHER, 0, "", "****" },
	{ "PASS\rgeheim\r\n", VERB_OTHER, 0, "", "****" },
	{ "PASS:geheim\r\n", VERB_OTHER, 0, "", "****" },
	{ "\rPASS geheim\r\n", VERB_OTHER, 0, "geheim", "****" },
	{ "P\xff\xf1"
	  "ASS geheim\r\n",
	    VERB_OTHER, 0, "geheim",
	    "P\xff\xf1"
	    "ASS ****" },
	{ "PA SS geheim\r\n", VERB_OTHER, 0, "SS geheim", "PA ****" },
	{ "NOOP\rPASS geheim\r\n", VERB_OTHER, 0, "geheim", "****" },
	{ "USER joe\rPASS geheim\r\n", VERB_USER, VERB_VOIDS_DATA,
	    "joe\rPASS geheim", "USER joe****" },
	{ "RETR a\n \tpass geheim\r\n", VERB_RETR, VERB_RECEIVES,
	    "a\n \tpass geheim", "RETR a****" },
	{ "P\xff\xf1"
	  "ASV\r\n",
	    VERB_OTHER, 0, "",
	    "P\xff\xf1"
	    "ASV" },
	{ "\r\n", VERB_EMPTY, VERB_MAY_BE_SILENT, "", "" },
	{ " \t \r\n", VERB_EMPTY, VERB_MAY_BE_SILENT, "", " \t " },
	{ "\xff\xf4\r\n", VERB_EMPTY, VERB_MAY_BE_SILENT, "", "\xff\xf4" },
	{ "\xff\n", VERB_EMPTY, VERB_MAY_BE_SILENT, "", "\xff" },
	{ "", VERB_EMPTY, VERB_MAY_BE_SILENT, "", "" },
};

static void
parse(void **state)
{
	struct command command;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *line = lines[i].line;

		command_parse((const uint8_t *)line, strlen(line), &command);
		if (command.verb != lines[i].verb)
			fail_msg("%s: verb %d", line, command.verb);
		assert_int_equal(command.flags & SEEN, lines[i].flags);
		assert_int_equal(command.arg_len, strlen(lines[i].arg));
		assert_memory_equal(line + command.arg_at, lines[i].arg,
		    command.arg_len);
	}
}

static void
loggable(void **state)
{
	struct command command;
	char text[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const uint8_t *line = (const uint8_t *)lines[i].line;

		len = strlen(lines[i].line);
		command_parse(line, len, &command);
		assert_int_equal(command_loggable(line, len, &command, text,
				     sizeof(text)),
		    strlen(lines[i].shown));
		assert_string_equal(text, lines[i].shown);
	}
}

/* A reply that repeats what the client has sent. */
static void
echoes(void **state)
{
	static const struct {
		const char *line;
		const char *reply;
		const char *shown;
	} cases[] = {
		{ "PASS geheim\r\n", "230 in", "230 in" },
		{ "PASS geheim\r\n", "500 'PASS GEHEIM': what?", "500 'PASS " },
		{ "PASS two words\r\n", "530 not words", "530 not " },
		{ "geheim\r\n", "500 GEHEIM not understood", "500 " },
		{ "SITE PSWD old neu1\r\n", "200 was old.", "200 was " },
		{ "PASS in\r\n", "230 logging", "230 logging" },
		{ "PASS in\r\n", "530 no, in!", "530 no, " },
		{ "USER joe\r\n", "331 joe?", "331 joe?" },
		{ "NOOP\r\n", "235 ADAT=abcd", "235 " },
		{ "NOOP\r\n", "235", "235" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reply = cases[i].reply;
		struct secrets secrets = { .next = 0 };

		secrets_hear(&secrets, (const uint8_t *)cases[i].line,
		    strlen(cases[i].line));
		assert_int_equal(secrets_shown(&secrets, (const uint8_t *)reply,
				     strlen(reply)),
		    strlen(cases[i].shown));
		secrets_forget(&secrets);
		assert_int_equal(secrets_shown(&secrets,
				     (const uint8_t *)"500 geheim", 10),
		    10);
	}
}

/* With any size: no secret, and no byte beyond it. */
static void
loggable_short(void **state)
{
	static const char line[] = "PASS geheim\r\n", whole[] = "PASS ****";
	struct command command;
	char text[16];

	(void)state;
	command_parse((const uint8_t *)line, strlen(line), &command);
	for (size_t size = 0; size <= sizeof(whole); size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(command_loggable((const uint8_t *)line,
				     strlen(line), &command, text, size),
		    size > 0 ? size - 1 : 0);
		if (size > 0) {
			assert_memory_equal(text, whole, size - 1);
			assert_int_equal(text[size - 1], '\0');
		}
		assert_int_equal(text[size], 'x');
	}
}

/* Lines that tested servers take for another command, and lines that they do
 * not. */
static void
hidden(void **state)
{
	static const struct {
		const char *line, *verb;
	} cases[] = {
		{ "PO\xff\xfb\x01RT 127,0,0,1,4,5\r\n", "PORT" },
		{ "PORT\f127,0,0,1,4,5\r\n", "PORT" },
		{ "port\v127,0,0,1,4,5\r\n", "PORT" },
		{ "PORT\r127,0,0,1,4,5\r\n", "PORT" },
		{ "\rPORT 127,0,0,1,4,5\r\n", "PORT" },
		{ "P\xff\xf1ORT 127,0,0,1,4,5\r\n", "PORT" },
		{ "P\xff\x40ORT 127,0,0,1,4,5\r\n", "PORT" },
		{ "EP\xff\xf4\xff\xf2RT |1|::1|5|\r\n", "EPRT" },
		{ "L\xff\xfe\xffPRT 4,4\r\n", "LPRT" },
		{ "PA\xff\xf1SV\r\n", "PASV" },
		{ "PA\xff\xf1SS geheim\r\n", "PASS" },
		{ "\rSTOR file\r\n", "STOR" },
		{ "STRU\fR\r\n", "STRU" },
		{ "ABOR\xff\xf2\r\n", "ABOR" },
		{ "PO\xff\n", "" },
		{ "PO\xff\xfb\n", "" },
		{ "NOOP\xff\xfd\n", "" },
		{ "NOOP\xff\r\n", NULL },
		{ "NOOP\xff\xff\n", NULL },
		{ "PORT 127,0,0,1,4,5\r\n", NULL },
		{ "\xff\xfb\x01PORT 127,0,0,1,4,5\r\n", NULL },
		{ " PASS geheim\r\n", NULL },
		{ "\xff\xf4\xff\xf2"
		  "ABOR\r\n",
		    NULL },
		{ "\xf2"
		  "ABOR\r\n",
		    NULL },
		{ "RETR \xff\xf1PORT 1,2,3,4,5,6\r\n", NULL },
		{ "RETR x\rPORT 1,2,3,4,5,6\r\n", NULL },
		{ "MKD \xc3\xa4\xe4\xff\xffx\r\n", NULL },
		{ "X\xff\xf1YZ\r\n", NULL },
		{ "\r\n", NULL },
	};
	struct command command;
	const uint8_t *line;
	const char *verb;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		line = (const uint8_t *)cases[i].line;
		len = strlen(cases[i].line);
		command_parse(line, len, &command);
		verb = command_hidden(line, len, &command);
		if (verb == NULL || cases[i].verb == NULL)
			assert_ptr_equal(verb, cases[i].verb);
		else
			assert_string_equal(verb, cases[i].verb);
	}
}

/* A command after n bytes, for a server that cuts lines there. */
static const char *
hidden_behind(size_t n, const char *rest)
{
	char line[9000];
	struct command command;

	memset(line, 'x', n);
	memcpy(line, "RETR ", 5);
	snprintf(line + n, sizeof(line) - n, "%s\r\n", rest);
	n = strlen(line);
	command_parse((const uint8_t *)line, n, &command);
	return command_hidden((const uint8_t *)line, n, &command);
}

static void
hidden_in_long_lines(void **state)
{
	static const char *const port_like[] = { "PORT 127,0,0,1,4,5",
		"port\t127, 0,0,1,4,5", " PO\xff\xf1RT 127,0,0,1,4,5",
		"LPRT 4,4,127,0,0,1,2,4,5", "EPRT |1|127.0.0.1|5|",
		"EPRT !2!::1!5!", "EPRT |01|127.0.0.1|5|" };
	static const char *const paths[] = { "PORT 5/x", "REPORT 2024, final",
		"PORT", "EPRT |", "EPRT ||5|", "LIST x", "" };

	(void)state;
	for (size_t n = 500; n < 8100; n += 511) {
		for (size_t i = 0; i < 7; i++)
			assert_non_null(hidden_behind(n, port_like[i]));
		for (size_t i = 0; i < 7; i++)
			assert_null(hidden_behind(n, paths[i]));
	}
	assert_null(hidden_behind(100, port_like[0]));
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(verb_name(VERB_PASV), "PASV");
	assert_string_equal(verb_name(VERB_MLSD), "MLSD");
	assert_string_equal(verb_name(VERB_OTHER), "");
	assert_string_equal(verb_name(VERB_EMPTY), "");
	for (enum verb verb = VERB_USER; verb <= VERB_MLSD; verb++)
		assert_int_equal(strlen(verb_name(verb)), 4);
}

static void
split(void **state)
{
	static const char input[] = "USER joe\r\nPASS x\nPASV\r\n\xff\xf4\xff"
				    "\xf2"
				    "ABOR\r\n\r\nRETR a\rb\r\nQUIT";

	(void)state;
	split_check((const uint8_t *)input, strlen(input), 512);
	split_check((const uint8_t *)input, strlen(input), 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(loggable),
		cmocka_unit_test(loggable_short),
		cmocka_unit_test(echoes),
		cmocka_unit_test(hidden),
		cmocka_unit_test(hidden_in_long_lines),
		cmocka_unit_test(names),
		cmocka_unit_test(split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
