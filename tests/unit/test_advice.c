/*
 * check/advice and check/server: every finding has its texts, and every server
 * its settings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/advice.h"

/* All texts of all findings, for each kind of server.  A name that is no fact
 * would abort. */
static void
test_all(void **state)
{
	static struct facts facts;
	static struct advice advice;

	(void)state;
	for (int kind = 0; kind < SERVER_KINDS; kind++) {
		facts.kind = (enum server_kind)kind;
		fact_set(&facts, FACT_VERB, "PASV");
		fact_set(&facts, FACT_HOST, "gate");
		fact_set(&facts, FACT_CULVERT, "here");
		fact_set(&facts, FACT_NETRC, ".netrc");
		for (int finding = 0; finding < FINDINGS; finding++) {
			advice_make((enum finding)finding, &facts, &advice);
			assert_string_not_equal(advice.step, "");
			assert_null(strchr(advice.step, '{'));
			assert_null(strchr(advice.text, '{'));
			assert_int_equal(advice.status,
			    advice_worst((enum finding)finding));
			for (size_t i = 0; i < advice.n_fixes; i++) {
				const struct advice_fix *fix = &advice.fixes[i];

				assert_string_not_equal(fix->place, "");
				assert_null(strchr(fix->put, '{'));
				assert_null(strchr(fix->remark, '{'));
			}
		}
	}
}

static void
test_facts(void **state)
{
	static struct facts facts;
	static struct advice advice;

	(void)state;
	fact_set(&facts, FACT_HOST, "gate");
	fact_set(&facts, FACT_SERVER, "localhost:21");
	fact_set(&facts, FACT_SERVER_HOST, "localhost");
	advice_make(CONNECT_FORBIDDEN, &facts, &advice);
	assert_string_equal(advice.step, "connect");
	assert_string_equal(advice.text,
	    "sshd is not permitted to connect to localhost:21");
	assert_int_equal(advice.n_fixes, 2);
	assert_string_equal(advice.fixes[0].place, "sshd_config of gate");
	assert_string_equal(advice.fixes[0].put, "PermitOpen localhost:*");
	assert_string_equal(advice.fixes[0].remark,
	    "add the value to the existing line, or replace \"none\" in it");
	/* Commands for a shell are quoted. */
	fact_set(&facts, FACT_KNOWN_HOSTS, "/a b/$(reboot)");
	fact_set(&facts, FACT_HOST_KEY_NAME, "[gate]:22");
	advice_make(HOST_KEY_CHANGED, &facts, &advice);
	assert_string_equal(advice.fixes[0].put,
	    "ssh-keygen -f '/a b/$(reboot)' -R '[gate]:22'");
	/* Names are not replaced inside of facts. */
	fact_set(&facts, FACT_VERB, "PASV");
	fact_set(&facts, FACT_REPLY, "550 {reply}");
	facts.kind = SERVER_VSFTPD;
	advice_make(MODE_REFUSED_PASSIVE, &facts, &advice);
	assert_string_equal(advice.step, "PASV");
	assert_string_equal(advice.text,
	    "the server refuses passive mode: 550 {reply}");
	assert_string_equal(advice.fixes[0].place, "vsftpd.conf");
	assert_string_equal(advice.fixes[0].put, "pasv_enable=YES");
}

static void
test_servers(void **state)
{
	static const struct {
		const char *text;
		enum server_kind kind;
	} cases[] = {
		{ "220 (vsFTPd 3.0.3)", SERVER_VSFTPD },
		{ "220 ProFTPD Server (proftpd) [::ffff:127.0.0.1]",
		    SERVER_PROFTPD },
		{ "220---------- Welcome to Pure-FTPd [privsep] [TLS] -----",
		    SERVER_PUREFTPD },
		{ "220 Microsoft FTP Service", SERVER_IIS },
		{ "220-FileZilla Server 1.8.0", SERVER_FILEZILLA },
		{ "220 pyftpdlib 1.5.7 ready.", SERVER_PYFTPDLIB },
		{ "220 host FTP server (GNU inetutils 2.4) ready.",
		    SERVER_INETUTILS },
		{ "220 hello", SERVER_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(server_recognise(cases[i].text),
		    cases[i].kind);
	for (int kind = 0; kind < SERVER_KINDS; kind++) {
		assert_non_null(server_place((enum server_kind)kind));
		for (int topic = TOPIC_NONE + 1; topic < TOPICS; topic++)
			assert_non_null(server_setting((enum server_kind)kind,
			    (enum server_topic)topic));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
