/*
 * Tests of ftp/hostport with tests/vectors/hostport-*.txt.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/hostport.h"
#include "vectors.h"

/* Writes the result in the form of WANT in the vectors. */
static void
describe(int result, const struct hostport *hostport, const uint8_t *line,
    char *text, size_t size)
{
	char addr[ADDR_TEXT_MAX];

	if (result == -EINVAL)
		snprintf(text, size, "EINVAL");
	else if (result == -EAFNOSUPPORT)
		snprintf(text, size, "EAFNOSUPPORT");
	else if (result != 0)
		snprintf(text, size, "error %d", result);
	else if (hostport->addr.family == AF_UNSPEC)
		snprintf(text, size, ":%u %.*s", hostport->addr.port,
		    (int)hostport->len, line + hostport->at);
	else
		snprintf(text, size, "%s%s%.*s",
		    addr_format(&hostport->addr, addr),
		    hostport->len > 0 ? " " : "", (int)hostport->len,
		    line + hostport->at);
}

/* The replacement in the line must be parsed again to the same. */
static void
check_replaced(unsigned code, const struct vector *vector,
    const struct hostport *found)
{
	struct addr addr = addr_loopback(AF_INET, 40000);
	struct hostport again = { 0 };
	char line[2 * VECTOR_MAX], text[HOSTPORT_TEXT_MAX];
	size_t behind = found->at + found->len, len;

	hostport_format_reply(code, &addr, text);
	memcpy(line, vector->input, found->at);
	memcpy(line + found->at, text, strlen(text));
	len = found->at + strlen(text);
	memcpy(line + len, vector->input + behind, vector->input_len - behind);
	len += vector->input_len - behind;
	assert_int_equal(hostport_parse_reply(code, (const uint8_t *)line, len,
			     &again),
	    0);
	assert_int_equal(again.addr.port, 40000);
	assert_int_equal(again.at, found->at);
	assert_int_equal(again.len, strlen(text));
	if (code != 229)
		assert_true(addr_same_ip(&again.addr, &addr));
}

static void
check_replies(const char *name, unsigned code, unsigned least)
{
	FILE *file = vectors_open(name);
	struct vector vector = { 0 };
	struct hostport hostport, untouched;
	char got[VECTOR_MAX];
	unsigned count = 0;
	int result;

	for (; vectors_next(file, &vector); count++) {
		memset(&hostport, 0xa5, sizeof(hostport));
		untouched = hostport;
		result = hostport_parse_reply(code, vector.input,
		    vector.input_len, &hostport);
		describe(result, &hostport, vector.input, got, sizeof(got));
		if (strcmp(got, vector.want) != 0)
			fail_msg("%s:%u: %s, not %s", name, vector.number, got,
			    vector.want);
		if (result == 0)
			check_replaced(code, &vector, &hostport);
		else
			assert_memory_equal(&hostport, &untouched,
			    sizeof(hostport));
	}
	fclose(file);
	assert_true(count >= least);
}

static void
replies_227(void **state)
{
	(void)state;
	check_replies("hostport-227.txt", 227, 60);
}

static void
replies_229(void **state)
{
	(void)state;
	check_replies("hostport-229.txt", 229, 40);
}

static void
other_codes(void **state)
{
	static const char line[] = "200 (10,0,0,1,4,5) (|||50000|)\r\n";
	struct hostport hostport;

	(void)state;
	assert_int_equal(hostport_parse_reply(200, (const uint8_t *)line,
			     strlen(line), &hostport),
	    -EINVAL);
}

/* Texts that some clients read as a host-port. */
static void
likely(void **state)
{
	static const struct {
		unsigned code;
		bool likely;
		const char *text;
	} samples[] = {
		{ 227, true, "227 (127,0,0,1,156,64)" },
		{ 227, true, "227 (1,127,0,0,1,156,64)" },
		{ 227, true, "127, 0, 0, 1, 156, 640" },
		{ 227, false, "227 (0,0,1,156,64) at 1,2" },
		{ 228, true, "228 (4,4,127,0,0,1,2,156,64)" },
		{ 229, true, "229 (|||4000|)" },
		{ 229, true, "229 (||| 4000|)" },
		{ 229, true,
		    "229 (\x01\x01\x01"
		    "40)" },
		{ 229, false, "229 (|||)" },
		{ 229, false, "229 (127,0,0,1,156,64)" },
		{ 200, false, "200 (127,0,0,1,156,64) (|||4000|)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_int_equal(hostport_is_likely(samples[i].code,
				     (const uint8_t *)samples[i].text,
				     strlen(samples[i].text)),
		    samples[i].likely);
}

/* A written command must be parsed to the same host-port. */
static void
check_formatted(enum verb verb, const struct addr *addr)
{
	char text[HOSTPORT_TEXT_MAX];
	struct hostport again = { 0 };

	assert_int_equal(hostport_format_command(verb, addr, text), 0);
	assert_int_equal(hostport_parse_command(verb, (const uint8_t *)text,
			     strlen(text), &again),
	    0);
	assert_int_equal(again.addr.family, addr->family);
	assert_true(addr_same_ip(&again.addr, addr));
	assert_int_equal(again.addr.port, addr->port);
}

static void
commands(void **state)
{
	FILE *file = vectors_open("hostport-commands.txt");
	struct vector vector = { 0 };
	struct hostport hostport;
	struct command command;
	char got[VECTOR_MAX];
	int result;

	(void)state;
	while (vectors_next(file, &vector)) {
		memset(&hostport, 0, sizeof(hostport));
		command_parse(vector.input, vector.input_len, &command);
		result = hostport_parse_command(command.verb,
		    vector.input + command.arg_at, command.arg_len, &hostport);
		describe(result, &hostport, vector.input, got, sizeof(got));
		if (strcmp(got, vector.want) != 0)
			fail_msg("commands:%u: %s, not %s", vector.number, got,
			    vector.want);
		if (result == 0)
			check_formatted(command.verb, &hostport.addr);
	}
	fclose(file);
}

static void
format_commands(void **state)
{
	struct addr ip4 = addr_loopback(AF_INET, 1029);
	struct addr ip6 = addr_loopback(AF_INET6, 65535);
	struct addr none = { .family = AF_UNSPEC, .port = 1029 };
	char text[HOSTPORT_TEXT_MAX];

	(void)state;
	assert_int_equal(hostport_format_command(VERB_PORT, &ip4, text), 0);
	assert_string_equal(text, "127,0,0,1,4,5");
	assert_int_equal(hostport_format_command(VERB_EPRT, &ip4, text), 0);
	assert_string_equal(text, "|1|127.0.0.1|1029|");
	ip6.scope = 1;
	assert_int_equal(hostport_format_command(VERB_EPRT, &ip6, text), 0);
	assert_string_equal(text, "|2|::1|65535|");
	assert_int_equal(hostport_format_command(VERB_PORT, &ip6, text),
	    -EAFNOSUPPORT);
	assert_int_equal(hostport_format_command(VERB_EPRT, &none, text),
	    -EAFNOSUPPORT);
	assert_int_equal(hostport_format_command(VERB_PASV, &ip4, text),
	    -EINVAL);
}

static void
format_replies(void **state)
{
	struct addr ip4 = addr_loopback(AF_INET, 1029);
	struct addr ip6 = { .family = AF_INET6, .port = 65535 };
	char text[HOSTPORT_TEXT_MAX];

	(void)state;
	memset(ip6.ip, 255, sizeof(ip6.ip));
	hostport_format_reply(227, &ip4, text);
	assert_string_equal(text, "127,0,0,1,4,5");
	hostport_format_reply(229, &ip4, text);
	assert_string_equal(text, "1029");
	hostport_format_reply(227, &ip6, text);
	assert_string_equal(text, "0,0,0,0,255,255");
	hostport_format_reply(229, &ip6, text);
	assert_string_equal(text, "65535");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_227),
		cmocka_unit_test(replies_229),
		cmocka_unit_test(other_codes),
		cmocka_unit_test(likely),
		cmocka_unit_test(commands),
		cmocka_unit_test(format_commands),
		cmocka_unit_test(format_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
