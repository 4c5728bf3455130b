/*
 * The rules of the configuration: how they are read, which one applies, and
 * what nft(8) gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/nft.h"
#include "capture/rules.h"

static int
take(struct rule *rule, const char *key, const char *value, char *why)
{
	const struct setting at = { .key = key,
		.value = value,
		.file = "f",
		.line = 1 };

	rule->name = "r";
	return rule_take(rule, &at, why);
}

static void
take_well(struct rule *rule, const char *key, const char *value)
{
	char why[SETTINGS_WHY_MAX] = "";

	if (take(rule, key, value, why) != 0)
		fail_msg("%s", why);
}

/* Does a rule with these values match?  NULL: it has no such key. */
static bool
matches(const char *hosts, const char *ports, const char *users,
    const char *host, uint16_t port, const char *user)
{
	const struct rules_request request = { host, port, user };
	struct rule rule = { .n_hosts = 0 };
	const struct rule *found = NULL;
	enum rules_answer answer;

	if (hosts != NULL)
		take_well(&rule, "match-host", hosts);
	if (ports != NULL)
		take_well(&rule, "match-port", ports);
	if (users != NULL)
		take_well(&rule, "match-user", users);
	answer = rules_match(&rule, 1, &request, &found);
	if (answer == RULES_FOUND)
		assert_ptr_equal(found, &rule);
	rule_free(&rule);
	return answer == RULES_FOUND;
}

static void
hosts(void **state)
{
	(void)state;
	assert_true(matches(NULL, NULL, NULL, "192.0.2.1", 21, "a"));
	assert_true(matches("192.0.2.0/24", NULL, NULL, "192.0.2.9", 21, "a"));
	assert_false(matches("192.0.2.0/24", NULL, NULL, "192.0.3.9", 21, "a"));
	assert_true(
	    matches("10.0.0.1 192.0.2.1", NULL, NULL, "192.0.2.1", 1, "a"));
	assert_true(
	    matches("2001:db8::/32", NULL, NULL, "2001:DB8::1", 1, "a"));
	assert_true(
	    matches("10.0.0.0/8", NULL, NULL, "::ffff:10.1.2.3", 1, "a"));
	assert_true(matches("*.example", NULL, NULL, "FTP.Example.", 1, "a"));
	assert_false(matches("*.example", NULL, NULL, "example", 1, "a"));
	assert_true(matches("192.0.2.*", NULL, NULL, "192.0.2.1", 1, "a"));
	/* A name is not looked up. */
	assert_false(matches("0.0.0.0/0", NULL, NULL, "localhost", 1, "a"));
}

static void
ports_and_users(void **state)
{
	(void)state;
	assert_true(matches(NULL, "21, 2100-2110", NULL, "h", 2105, "a"));
	assert_false(matches(NULL, "21, 2100-2110", NULL, "h", 2111, "a"));
	assert_true(matches(NULL, NULL, "bob, al*", "h", 1, "alice"));
	assert_false(matches(NULL, NULL, "bob, al*", "h", 1, "Alice"));
	assert_false(matches(NULL, NULL, "bob", "h", 1, "bobby"));
	/* "*" is not the same as no match-user: it waits for the user. */
	assert_true(matches(NULL, NULL, "*", "h", 1, "any"));
	assert_false(matches(NULL, NULL, "*", "h", 1, NULL));
}

static void
order(void **state)
{
	struct rule rules[3] = { { .n_hosts = 0 } };
	struct rules_request request = { "192.0.2.1", 21, NULL };
	const struct rule *found = NULL;

	(void)state;
	take_well(&rules[0], "match-host", "10.0.0.0/8");
	take_well(&rules[1], "match-port", "21");
	take_well(&rules[1], "match-user", "bob");
	assert_int_equal(rules_match(rules, 3, &request, &found),
	    RULES_NEEDS_USER);
	request.user = "bob";
	assert_int_equal(rules_match(rules, 3, &request, &found), RULES_FOUND);
	assert_ptr_equal(found, &rules[1]);
	request.user = "eve";
	assert_int_equal(rules_match(rules, 3, &request, &found), RULES_FOUND);
	assert_ptr_equal(found, &rules[2]);
	assert_int_equal(rules_match(rules, 2, &request, &found), RULES_NONE);
	/* A rule before it that matches decides without the user. */
	request = (struct rules_request) { "10.1.1.1", 21, NULL };
	assert_int_equal(rules_match(rules, 3, &request, &found), RULES_FOUND);
	assert_ptr_equal(found, &rules[0]);
	for (int i = 0; i < 3; i++)
		rule_free(&rules[i]);
}

static void
wrong_values(void **state)
{
	static const struct {
		const char *key, *value, *part;
	} cases[] = {
		{ "match-host", "10.0.0.300", "expected an address" },
		{ "match-host", "10.0.0.0/255.0.0.0", "expected an address" },
		{ "match-host", "a b;c", "expected an address" },
		{ "match-host", " , ", "has no value" },
		{ "match-port", "0", "expected a port" },
		{ "match-port", "22-21", "expected a port" },
		{ "match-port", "1-70000", "expected a port" },
		{ "match-port", "-5", "expected a port" },
		{ "match-port", "ftp", "expected a port" },
		{ "match-user", "", "has no value" },
		{ "action", "pass", "expected \"tunnel TUNNEL\"" },
		{ "action", "direct lan", "expected \"tunnel TUNNEL\"" },
		{ "action", "tunnel", "expected \"tunnel TUNNEL\"" },
		{ "L", "1", "there is no \"L\" in a rule" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rule rule = { .n_hosts = 0 };
		char why[SETTINGS_WHY_MAX] = "";

		assert_int_not_equal(take(&rule, cases[i].key, cases[i].value,
					 why),
		    0);
		if (strstr(why, cases[i].part) == NULL)
			fail_msg("%s: %s", cases[i].value, why);
		rule_free(&rule);
	}
}

static bool
covers(const char *hosts, const char *ports, const char *users,
    const char *after_hosts, const char *after_ports, const char *after_users)
{
	const char *const values[2][3] = { { hosts, ports, users },
		{ after_hosts, after_ports, after_users } };
	static const char *const keys[] = { "match-host", "match-port",
		"match-user" };
	struct rule rules[2] = { { .n_hosts = 0 } };
	bool does;

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 3; j++)
			if (values[i][j] != NULL)
				take_well(&rules[i], keys[j], values[i][j]);
	does = rule_covers(&rules[0], &rules[1]);
	rule_free(&rules[0]);
	rule_free(&rules[1]);
	return does;
}

static void
covered(void **state)
{
	(void)state;
	assert_true(covers(NULL, NULL, NULL, "a.b", "21", "c"));
	assert_true(covers("*", NULL, NULL, NULL, NULL, NULL));
	assert_false(covers("a.b", NULL, NULL, NULL, NULL, NULL));
	assert_true(
	    covers("10.0.0.0/8", NULL, NULL, "10.1.0.0/16", "21", NULL));
	assert_false(
	    covers("10.1.0.0/16", NULL, NULL, "10.0.0.0/8", NULL, NULL));
	assert_false(
	    covers("10.0.0.0/8", "21", NULL, "10.1.0.0/16", NULL, NULL));
	assert_true(covers(NULL, "20-30", NULL, NULL, "21, 25-30", NULL));
	assert_false(covers(NULL, "20-30", NULL, NULL, "21, 25-31", NULL));
	assert_true(covers(NULL, NULL, "a,b", NULL, NULL, "b"));
	assert_false(covers(NULL, NULL, "a", NULL, NULL, NULL));
	assert_false(covers(NULL, NULL, "a", NULL, NULL, "a,b"));
}

/* What nft gets has a line for each host and port, and never less than what the
 * rules match. */
static void
nft(void **state)
{
	static const char *const redirect[] = {
		"table inet culvert-lan {",
		"ip daddr 10.0.0.0/8 tcp dport 21 redirect to :2121",
		"ip daddr 10.0.0.0/8 tcp dport 2100-2110 redirect to :2121",
		"ip6 daddr 2001:db8::1/128 tcp dport 21 redirect to :2121",
		"ip daddr 10.0.0.0/8 tcp dport 4000-4010 redirect\n",
		"ip daddr 10.0.0.0/8 tcp dport 21 drop",
		"meta nfproto ipv4 fib daddr type != local tcp dport 21 "
		"redirect to :2121",
		"meta nfproto ipv6 fib daddr type != local tcp dport 21 "
		"redirect to :2121",
	};
	static const char *const tproxy[] = {
		"tcp dport != 2121 socket transparent 1 meta mark set 0x2121",
		"ip6 daddr 2001:db8::1/128 tcp dport 21 tproxy ip6 to :2121 "
		"meta mark set 0x2121 accept",
	};
	struct config_tunnel tunnel = { .name = "lan" };
	struct rule rules[2] = { { .n_hosts = 0 } };
	char *text;
	size_t len;
	FILE *file;

	(void)state;
	tunnel.options.forwards[0].port = 2121;
	tunnel.options.client_ports_low = 4000;
	tunnel.options.client_ports_high = 4010;
	tunnel.options.capture = OPTIONS_CAPTURE_REDIRECT;
	take_well(&rules[0], "match-host",
	    "10.0.0.0/8 2001:db8::1 ftp.example *.example");
	take_well(&rules[0], "match-port", "21 2100-2110");
	take_well(&rules[1], "match-host", "192.*");
	file = open_memstream(&text, &len);
	nft_write(file, &tunnel, rules, 2);
	fclose(file);
	for (size_t i = 0; i < sizeof(redirect) / sizeof(redirect[0]); i++)
		if (strstr(text, redirect[i]) == NULL)
			fail_msg("no %s in\n%s", redirect[i], text);
	free(text);
	tunnel.options.capture = OPTIONS_CAPTURE_TPROXY;
	file = open_memstream(&text, &len);
	nft_write(file, &tunnel, rules, 2);
	fclose(file);
	for (size_t i = 0; i < sizeof(tproxy) / sizeof(tproxy[0]); i++)
		if (strstr(text, tproxy[i]) == NULL)
			fail_msg("no %s in\n%s", tproxy[i], text);
	free(text);
	rule_free(&rules[0]);
	rule_free(&rules[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(ports_and_users),
		cmocka_unit_test(order),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(covered),
		cmocka_unit_test(nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
