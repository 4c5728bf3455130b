/*
 * check/judge: how bad a finding is, given the others; the cases for which the
 * integration tests have no server.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check/judge.h"

/* A forward, and what was found; setup() makes one without problems. */
struct scene {
	struct options options;
	struct forward forward;
	struct judge_outcome outcome;
	struct facts facts;
	struct judge judge;
	int statuses[FINDINGS]; /* of those found, and 1 more; else 0 */
};

static struct scene scene;

static struct trial_outcome *
trial(enum probe_variant variant)
{
	return &scene.outcome.probe.variants[variant].trial;
}

static int
setup(void **state)
{
	struct probe_outcome *probe = &scene.outcome.probe;

	(void)state;
	memset(&scene, 0, sizeof(scene));
	snprintf(scene.forward.host, sizeof(scene.forward.host), "localhost");
	scene.forward.host_port = 21;
	scene.outcome.listen.result = ATTEMPT_GOOD;
	scene.outcome.login = USER_OK;
	probe->opened = true;
	probe->greeting_code = 220;
	probe->feat_code = 211;
	fact_text(probe->feat, "MLST");
	probe->login = USER_OK;
	for (int variant = 0; variant < PROBE_VARIANTS; variant++)
		probe->variants[variant].trial.finding = MODE_OK;
	fact_set(&scene.facts, FACT_KEY_OPTIONS, " port-forwarding ");
	return 0;
}

static void
on_found(void *ctx, enum finding finding, enum advice_status status)
{
	(void)ctx;
	scene.statuses[finding] = (int)status + 1;
}

static void
judge_scene(void)
{
	memset(scene.statuses, 0, sizeof(scene.statuses));
	scene.judge = (struct judge) {
		.options = &scene.options,
		.forward = &scene.forward,
		.outcome = &scene.outcome,
		.facts = &scene.facts,
		.found = on_found,
	};
	judge_forward(&scene.judge);
}

static void
assert_found(enum finding finding, enum advice_status status)
{
	assert_int_equal(scene.statuses[finding], (int)status + 1);
}

static void
test_well(void **state)
{
	(void)state;
	judge_scene();
	for (int finding = 0; finding < FINDINGS; finding++)
		assert_true(scene.statuses[finding] <= ADVICE_OK + 1);
	assert_found(MODE_OK, ADVICE_OK);
	assert_true(scene.judge.tried);
	assert_true(scene.judge.works[JUDGE_PASSIVE]);
	assert_true(scene.judge.works[JUDGE_ACTIVE]);
}

/* A service accepts only FTP clients of its own user, who has none. */
static void
test_own_user(void **state)
{
	(void)state;
	judge_scene();
	assert_found(LISTEN_OK, ADVICE_OK);
	fact_set(&scene.facts, FACT_OWN_IS_SYSTEM, "yes");
	judge_scene();
	assert_found(LISTEN_OWN_USER, ADVICE_NOTE);
	snprintf(scene.forward.bind, sizeof(scene.forward.bind), "192.0.2.1");
	judge_scene();
	assert_found(LISTEN_OK, ADVICE_OK);
	scene.forward.bind[0] = '\0';
	scene.options.any_user = true;
	judge_scene();
	assert_found(LISTEN_OK, ADVICE_OK);
}

/* culvert uses another variant or mode if the server refuses one. */
static void
test_alternative(void **state)
{
	(void)state;
	trial(PROBE_PASV)->finding = MODE_REFUSED_VERB;
	judge_scene();
	assert_found(MODE_REFUSED_VERB, ADVICE_NOTE);
	trial(PROBE_EPSV)->finding = MODE_REFUSED_VERB;
	judge_scene();
	assert_found(MODE_REFUSED_PASSIVE, ADVICE_NOTE);
	assert_false(scene.judge.works[JUDGE_PASSIVE]);
	scene.options.server_mode = OPTIONS_PASSIVE;
	judge_scene();
	assert_found(MODE_REFUSED_PASSIVE, ADVICE_WRONG);
	scene.options.server_mode = OPTIONS_SAME;
	trial(PROBE_PASV)->finding = MODE_CONNECT_FAILED;
	judge_scene();
	assert_found(MODE_CONNECT_FAILED, ADVICE_NOTE);
	trial(PROBE_PASV)->finding = MODE_FORBIDDEN;
	judge_scene();
	assert_found(MODE_FORBIDDEN, ADVICE_NOTE);
	fact_set(&scene.facts, FACT_KEY_OPTIONS,
	    " permitopen port-forwarding ");
	judge_scene();
	assert_found(MODE_FORBIDDEN_KEY, ADVICE_NOTE);
	scene.options.server_mode = OPTIONS_PASSIVE;
	judge_scene();
	assert_found(MODE_FORBIDDEN_KEY, ADVICE_WRONG);
}

/* The server accepts PORT and EPRT, but cannot connect. */
static void
test_no_connection(void **state)
{
	(void)state;
	trial(PROBE_PORT)->finding = MODE_NO_CONNECTION;
	trial(PROBE_EPRT)->finding = MODE_NO_CONNECTION;
	trial(PROBE_PORT)->announced = addr_loopback(AF_INET, 4711);
	fact_text(trial(PROBE_PORT)->reply, "425 Cannot open");
	judge_scene();
	assert_found(MODE_NO_CONNECTION, ADVICE_NOTE);
	assert_false(scene.judge.works[JUDGE_ACTIVE]);
	fact_text(trial(PROBE_PORT)->reply, "425 Security: Bad IP connecting.");
	judge_scene();
	assert_found(MODE_PEER_REFUSED, ADVICE_NOTE);
}

/* The server refuses LIST before it connects. */
static void
test_untested(void **state)
{
	(void)state;
	trial(PROBE_PORT)->finding = MODE_UNTESTED;
	trial(PROBE_EPRT)->finding = MODE_UNTESTED;
	fact_text(trial(PROBE_PORT)->reply, "550 Permission denied.");
	judge_scene();
	assert_found(MODE_UNTESTED, ADVICE_NOTE);
	assert_true(scene.judge.works[JUDGE_ACTIVE]);
	trial(PROBE_PASV)->finding = MODE_REFUSED_VERB;
	trial(PROBE_EPSV)->finding = MODE_REFUSED_VERB;
	judge_scene();
	assert_found(MODE_UNTESTED, ADVICE_UNTRIED);
}

/* sshd does not listen. */
static void
test_no_listener(void **state)
{
	(void)state;
	scene.outcome.listen.result = ATTEMPT_FAILED;
	scene.outcome.listen.err = -EACCES;
	trial(PROBE_PORT)->finding = MODE_NO_LISTENER;
	trial(PROBE_EPRT)->finding = MODE_NO_LISTENER;
	judge_scene();
	assert_found(FORWARD_FORBIDDEN_LISTEN, ADVICE_NOTE);
	assert_found(MODE_NO_LISTENER, ADVICE_NOTE);
	trial(PROBE_PASV)->finding = MODE_REFUSED_VERB;
	trial(PROBE_EPSV)->finding = MODE_REFUSED_VERB;
	judge_scene();
	assert_found(FORWARD_FORBIDDEN_LISTEN, ADVICE_WRONG);
	assert_found(MODE_NO_LISTENER, ADVICE_WRONG);
	fact_set(&scene.facts, FACT_KEY_OPTIONS,
	    " permitlisten port-forwarding ");
	judge_scene();
	assert_found(FORWARD_FORBIDDEN_KEY_LISTEN, ADVICE_WRONG);
	scene.outcome.listen.err = -EADDRNOTAVAIL;
	judge_scene();
	assert_found(FORWARD_GATEWAY, ADVICE_WRONG);
	scene.outcome.listen.err = -EOPNOTSUPP;
	judge_scene();
	assert_found(FORWARD_UNSUPPORTED, ADVICE_WRONG);
	scene.outcome.listen.err = -EIO;
	judge_scene();
	assert_found(FORWARD_FAILED, ADVICE_WRONG);
}

/* The server requires TLS; replies of proftpd, IIS and FileZilla Server. */
static void
test_tls(void **state)
{
	static const char *const replies[] = {
		"550 SSL/TLS required on the control channel",
		"534 Policy requires SSL.",
		"503 Use AUTH first.",
		"530 Non-anonymous sessions must use encryption.",
		"421 Sorry, cleartext sessions are not accepted on this "
		"server.",
	};
	struct probe_outcome *probe = &scene.outcome.probe;

	(void)state;
	for (int variant = 0; variant < PROBE_VARIANTS; variant++)
		probe->variants[variant].trial.finding = MODE_NOT_TRIED;
	probe->login = USER_DENIED;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		fact_text(probe->login_reply, "%s", replies[i]);
		judge_scene();
		assert_found(TLS_REQUIRED, ADVICE_WRONG);
		assert_int_equal(scene.statuses[USER_DENIED], 0);
	}
	scene.options.allow_tls = true;
	judge_scene();
	assert_found(TLS_REQUIRED, ADVICE_UNTRIED);
	fact_text(probe->login_reply, "530 Login incorrect.");
	judge_scene();
	assert_found(USER_DENIED, ADVICE_WRONG);
}

static void
test_tls_for_data(void **state)
{
	(void)state;
	for (int variant = 0; variant < PROBE_VARIANTS; variant++) {
		trial((enum probe_variant)variant)->finding = MODE_NO_LISTING;
		fact_text(trial((enum probe_variant)variant)->reply,
		    "522 SSL/TLS required on the data channel");
	}
	judge_scene();
	assert_found(TLS_REQUIRED_DATA, ADVICE_WRONG);
	assert_found(MODE_TLS, ADVICE_WRONG);
	/* Any other refusal of LIST does not affect other transfers. */
	for (int variant = 0; variant < PROBE_VARIANTS; variant++)
		fact_text(trial((enum probe_variant)variant)->reply,
		    "550 no such directory");
	judge_scene();
	assert_found(MODE_NO_LISTING, ADVICE_NOTE);
	assert_true(scene.judge.works[JUDGE_PASSIVE]);
}

static void
test_greetings(void **state)
{
	struct probe_outcome *probe = &scene.outcome.probe;

	(void)state;
	probe->greeting_code = 0;
	probe->err = -ETIMEDOUT;
	judge_scene();
	assert_found(GREETING_NO_ANSWER, ADVICE_WRONG);
	scene.forward.host_port = 990;
	judge_scene();
	assert_found(GREETING_TLS, ADVICE_WRONG);
	probe->err = -EPIPE;
	judge_scene();
	assert_found(GREETING_ENDED, ADVICE_WRONG);
	probe->greeting_code = 1;
	judge_scene();
	assert_found(GREETING_NOT_FTP, ADVICE_WRONG);
	assert_int_equal(scene.statuses[FEAT_OK] + scene.statuses[MODE_OK], 0);
}

static void
check_address(const char *announced, const char *host, enum finding finding)
{
	snprintf(scene.forward.host, sizeof(scene.forward.host), "%s", host);
	assert_int_equal(addr_parse_ip(announced,
			     &trial(PROBE_PASV)->announced),
	    0);
	judge_scene();
	assert_found(finding, advice_worst(finding));
}

static void
test_address(void **state)
{
	(void)state;
	check_address("127.0.0.1", "localhost", ADDRESS_OK);
	check_address("192.0.2.1", "192.0.2.1", ADDRESS_OK);
	check_address("0.0.0.0", "192.0.2.1", ADDRESS_WRONG);
	check_address("192.0.2.1", "localhost", ADDRESS_WRONG);
	check_address("192.0.2.1", "ftp.plant", ADDRESS_FAR);
	assert_int_equal(addr_parse_ip("192.0.2.1", &scene.outcome.probe.peer),
	    0);
	check_address("192.0.2.1", "ftp.plant", ADDRESS_OK);
	check_address("192.0.2.2", "ftp.plant", ADDRESS_WRONG);
	scene.options.server_data_host_reply = true;
	scene.options.server_mode = OPTIONS_PASSIVE;
	trial(PROBE_PASV)->finding = MODE_CONNECT_FAILED;
	trial(PROBE_EPSV)->finding = MODE_REFUSED_VERB;
	check_address("192.0.2.2", "ftp.plant", ADDRESS_WRONG_USED);
	assert_found(MODE_CONNECT_REPLY, ADVICE_WRONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_well, setup),
		cmocka_unit_test_setup(test_own_user, setup),
		cmocka_unit_test_setup(test_alternative, setup),
		cmocka_unit_test_setup(test_no_connection, setup),
		cmocka_unit_test_setup(test_untested, setup),
		cmocka_unit_test_setup(test_no_listener, setup),
		cmocka_unit_test_setup(test_tls, setup),
		cmocka_unit_test_setup(test_tls_for_data, setup),
		cmocka_unit_test_setup(test_greetings, setup),
		cmocka_unit_test_setup(test_address, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
