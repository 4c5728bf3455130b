/*
 * What ssh would have to be broken for: each user of its control socket gives
 * the connection up, and tells its owner once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fakessh.h"
#include "limits.h"
#include "ssh/nodelay.h"
#include "ssh/requests.h"

/* What a test is about has a name in what fails. */
struct wrong {
	const char *name;
	const char *bytes;
	size_t len;
};

#define WRONG(name, bytes)                     \
	{                                      \
		name, bytes, sizeof(bytes) - 1 \
	}

/* In place of ssh's hello. */
static const struct wrong hellos[] = {
	WRONG("another version", "\0\0\0\x08\0\0\0\1\0\0\0\5"),
	WRONG("no hello", "\0\0\0\x08\x80\0\0\1\0\0\0\4"),
	WRONG("no version", "\0\0\0\x04\0\0\0\1"),
	WRONG("too short", "\0\0\0\x03\0\0\0"),
	WRONG("too long", "\x7f\xff\xff\xff"),
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the socket ---- */

static void
test_no_socket(void **state)
{
	static const struct proxy_handler proxy_handler = { 0 };
	static const struct requests_handler requests_handler = { 0 };
	char path[200];
	struct requests *requests = NULL;
	struct nodelay *nodelay = NULL;
	struct proxy *proxy = NULL;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	for (int i = 0; i < 2; i++) {
		int err = i == 0 ? -ENOENT : -ENAMETOOLONG;

		memset(path, 'x', sizeof(path));
		path[i == 0 ? 20 : 199] = '\0';
		assert_int_equal(proxy_new(&loop, path, NULL, NULL,
				     &proxy_handler, NULL, &proxy),
		    err);
		assert_int_equal(requests_new(&loop, path, NULL,
				     &requests_handler, NULL, &requests),
		    err);
		assert_int_equal(nodelay_new(&loop, path, NULL, NULL, NULL,
				     NULL, &nodelay),
		    err);
	}
	assert_null(proxy);
	assert_null(requests);
	assert_null(nodelay);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- requests ---- */

struct asker {
	struct fake fake;
	struct requests *requests;
	unsigned int up, lost, done, alive;
	bool lives;
	uint16_t port;
	int err;
	bool abort_in_alive;
};

static void
on_up(void *ctx)
{
	struct asker *asker = ctx;

	asker->up++;
}

static void
on_lost(void *ctx, int err)
{
	struct asker *asker = ctx;

	assert_int_equal(err, -EPROTO);
	asker->lost++;
	requests_abort(asker->requests);
}

static void
on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct asker *asker = ctx;

	assert_true((why[0] == '\0') == (err == 0));
	asker->done++;
	asker->port = port;
	asker->err = err;
}

static void
on_alive(void *ctx, bool alive)
{
	struct asker *asker = ctx;

	asker->alive++;
	asker->lives = alive;
	if (asker->abort_in_alive)
		requests_abort(asker->requests);
}

static void
ask_start(struct asker *asker)
{
	static const struct requests_handler handler = { .up = on_up,
		.lost = on_lost };

	memset(asker, 0, sizeof(*asker));
	fake_listen(&asker->fake);
	assert_int_equal(requests_new(&asker->fake.loop, asker->fake.path, NULL,
			     &handler, asker, &asker->requests),
	    0);
	fake_accept(&asker->fake);
	expect(&asker->fake, TEXT(HELLO));
}

static void
ask_end(struct asker *asker)
{
	requests_abort(asker->requests);
	requests_free(asker->requests);
	fake_end(&asker->fake);
}

static void
test_requests_hello(void **state)
{
	struct asker asker;

	(void)state;
	for (size_t i = 0; i < N(hellos); i++) {
		ask_start(&asker);
		say(&asker.fake, hellos[i].bytes, hellos[i].len);
		if (asker.lost != 1 || asker.up != 0)
			fail_msg("%s", hellos[i].name);
		ask_end(&asker);
	}
}

/* An alive check has the number 0. */
static void
test_requests_answer(void **state)
{
	static const struct wrong answers[] = {
		WRONG("another number",
		    "\0\0\0\x0c\x80\0\0\5\0\0\0\1\0\0\0\x63"),
		WRONG("too short", "\0\0\0\x08\x80\0\0\5\0\0\0\0"),
		WRONG("too long", "\x7f\xff\xff\xff"),
	};
	struct asker asker;

	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		ask_start(&asker);
		say(&asker.fake, TEXT(HELLO));
		assert_int_equal(asker.up, 1);
		assert_non_null(
		    requests_alive(asker.requests, on_alive, &asker));
		say(&asker.fake, answers[i].bytes, answers[i].len);
		if (asker.lost != 1 || asker.alive != 1 || asker.lives)
			fail_msg("%s", answers[i].name);
		ask_end(&asker);
	}
	/* Nobody has asked. */
	ask_start(&asker);
	say(&asker.fake, TEXT(HELLO HELLO));
	assert_int_equal(asker.lost, 1);
	ask_end(&asker);
}

static void
test_requests_forward(void **state)
{
	static const struct wrong answers[] = {
		WRONG("no port", "\0\0\0\x08\x80\0\0\1\0\0\0\0"),
		WRONG("port 0", "\0\0\0\x0c\x80\0\0\7\0\0\0\0\0\0\0\0"),
		WRONG("port 65536", "\0\0\0\x0c\x80\0\0\7\0\0\0\0\0\1\0\0"),
		WRONG("alive", "\0\0\0\x0c\x80\0\0\5\0\0\0\0\0\0\0\x63"),
	};
	struct link_forward *forward;
	struct asker asker;

	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		ask_start(&asker);
		say(&asker.fake, TEXT(HELLO));
		forward = requests_forward(asker.requests, "localhost", 0,
		    "/path", on_forward, &asker);
		assert_non_null(forward);
		say(&asker.fake, answers[i].bytes, answers[i].len);
		if (asker.lost != 1 || asker.done != 1 || asker.port != 0 ||
		    asker.err != -EPROTO)
			fail_msg("%s", answers[i].name);
		link_forward_close(forward);
		ask_end(&asker);
	}
}

/* The owner gives up inside the first of two answers. */
static void
test_requests_given_up(void **state)
{
	struct asker asker;

	(void)state;
	ask_start(&asker);
	say(&asker.fake, TEXT(HELLO));
	assert_non_null(requests_alive(asker.requests, on_alive, &asker));
	assert_non_null(requests_alive(asker.requests, on_alive, &asker));
	asker.abort_in_alive = true;
	say(&asker.fake,
	    TEXT("\0\0\0\x0c\x80\0\0\5\0\0\0\0\0\0\0\x63"
		 "\0\0\0\x0c\x80\0\0\5\0\0\0\1\0\0\0\x63"));
	assert_int_equal(asker.alive, 2);
	assert_false(asker.lives);
	assert_int_equal(asker.lost, 0);
	ask_end(&asker);
}

/* ---- proxy mode ---- */

static void
proxy_end(struct fake *fake)
{
	proxy_abort(fake->proxy);
	stream_close(fake->stream);
	proxy_free(fake->proxy);
	fake_end(fake);
}

static void
test_proxy_hello(void **state)
{
	struct fake fake;

	(void)state;
	for (size_t i = 0; i < N(hellos); i++) {
		fake_proxy(&fake);
		say(&fake, hellos[i].bytes, hellos[i].len);
		if (fake.lost != 1 || fake.up != 0)
			fail_msg("%s", hellos[i].name);
		proxy_end(&fake);
	}
	/* An ssh that has no proxy mode. */
	fake_proxy(&fake);
	say(&fake, TEXT(HELLO "\0\0\0\x0e\x80\0\0\3\0\0\0\0\0\0\0\2no"));
	assert_int_equal(fake.lost, 1);
	assert_int_equal(fake.up, 0);
	proxy_end(&fake);
}

/* Channel 0 is being opened. */
static void
test_proxy_packets(void **state)
{
#define CONFIRM "\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\1"
	static const struct wrong packets[] = {
		WRONG("too short", "\0\0\0\1\0"),
		WRONG("too long", "\x7f\xff\xff\xff"),
		WRONG("data before it is open",
		    "\0\0\0\x0b\0\x5e\0\0\0\0\0\0\0\1x"),
		WRONG("packets of no length",
		    "\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\0"),
		WRONG("opened twice", CONFIRM CONFIRM),
		WRONG("opened, then refused",
		    CONFIRM "\0\0\0\x12\0\x5c\0\0\0\0"
			    "\0\0\0\2\0\0\0\0\0\0\0\0"),
		WRONG("another channel", "\0\0\0\6\0\x61\0\0\0\1"),
	};
	struct fake fake;

	(void)state;
	for (size_t i = 0; i < N(packets); i++) {
		fake_proxy(&fake);
		say(&fake, TEXT(HELLO PROXY_YES));
		fake.stream = proxy_dial(fake.proxy, "h", 1, LINK_DATA,
		    &fake_stream_handler, &fake);
		/* What nobody has asked for is passed over. */
		say(&fake, TEXT("\0\0\0\3\0\x15x"));
		assert_int_equal(fake.lost, 0);
		say(&fake, packets[i].bytes, packets[i].len);
		if (fake.lost != 1 || fake.err != -ECONNRESET)
			fail_msg("%s", packets[i].name);
		proxy_end(&fake);
	}
}

/* ---- nodelay ---- */

struct session {
	struct fake fake;
	struct nodelay *nodelay;
	unsigned int done;
	unsigned int over;
	size_t heard;
	char why[1024]; /* "" for success */
};

static void
on_done(void *ctx, const char *why)
{
	struct session *session = ctx;

	session->done++;
	snprintf(session->why, sizeof(session->why), "%s",
	    why != NULL ? why : "");
}

static void
on_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	struct session *session = ctx;

	(void)bytes;
	session->heard += len;
}

static void
on_over(void *ctx, const char *why)
{
	struct session *session = ctx;

	assert_non_null(why);
	assert_int_equal(session->done, 1);
	session->over++;
}

static void
session_start(struct session *session)
{
	static const struct nodelay_handler handler = { .done = on_done,
		.heard = on_heard,
		.over = on_over };

	memset(session, 0, sizeof(*session));
	fake_listen(&session->fake);
	assert_int_equal(nodelay_new(&session->fake.loop, session->fake.path,
			     NULL, &session->fake.info.sends_eof, &handler,
			     session, &session->nodelay),
	    0);
	fake_accept(&session->fake);
	expect(&session->fake, TEXT(HELLO));
}

#define OPENED \
	HELLO PROXY_YES "\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\1\0\0\0\1\0\0"

/* Up to the session that is open, and what is sent for that. */
static void
session_open(struct session *session)
{
	session_start(session);
	say(&session->fake, TEXT(OPENED));
	expect(&session->fake, TEXT("\0\0\0\x08\x10\0\0\x0f\0\0\0\0"));
	expect(&session->fake,
	    TEXT("\0\0\0\x19\0\x5a\0\0\0\7session"
		 "\0\0\0\0\0\2\0\0\0\0\x80\0"));
	expect(&session->fake,
	    TEXT("\0\0\0\x1c\0\x62\0\0\0\7\0\0\0\x09subsystem"
		 "\1\0\0\0\4sftp"));
	/* INIT of SFTP version 3. */
	expect(&session->fake,
	    TEXT("\0\0\0\x13\0\x5e\0\0\0\7\0\0\0\x09"
		 "\0\0\0\5\1\0\0\0\3"));
	expect(&session->fake, TEXT("\0\0\0\6\0\x60\0\0\0\7"));
}

static void
session_end(struct session *session)
{
	nodelay_free(session->nodelay);
	fake_end(&session->fake);
}

static void
session_must_break(const char *name, const char *bytes, size_t len)
{
	struct session session;

	session_start(&session);
	say(&session.fake, bytes, len);
	if (session.done != 1 ||
	    strstr(session.why, "closed its control socket") == NULL)
		fail_msg("%s: %u, %s", name, session.done, session.why);
	session_end(&session);
}

static void
test_nodelay_broken(void **state)
{
	static const struct wrong after[] = {
		WRONG("no proxy mode",
		    HELLO "\0\0\0\x0e\x80\0\0\3\0\0\0\0\0\0\0\2no"),
		WRONG("too short", HELLO PROXY_YES "\0\0\0\1\0"),
		WRONG("not open yet", HELLO PROXY_YES "\0\0\0\6\0\x63\0\0\0\0"),
		WRONG("another channel", OPENED "\0\0\0\6\0\x63\0\0\0\1"),
		WRONG("opened twice",
		    OPENED "\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7"
			   "\0\1\0\0\0\1\0\0"),
	};

	(void)state;
	for (size_t i = 0; i < N(hellos); i++)
		session_must_break(hellos[i].name, hellos[i].bytes,
		    hellos[i].len);
	for (size_t i = 0; i < N(after); i++)
		session_must_break(after[i].name, after[i].bytes, after[i].len);
}

/* It goes on through what it has not asked for. */
static void
test_nodelay_other_packets(void **state)
{
	struct session session;

	(void)state;
	session_open(&session);
	say(&session.fake, TEXT("\0\0\0\x0c\0\x62\0\0\0\0\0\0\0\1x\1"));
	expect(&session.fake, TEXT("\0\0\0\6\0\x64\0\0\0\7"));
	say(&session.fake, TEXT("\0\0\0\x0c\0\x62\0\0\0\0\0\0\0\1x\0"));
	say(&session.fake, TEXT("\0\0\0\6\0\x60\0\0\0\0"));
	expect_nothing(&session.fake);
	assert_int_equal(session.done, 0);
	say(&session.fake, TEXT("\0\0\0\6\0\x63\0\0\0\0"));
	assert_int_equal(session.done, 1);
	assert_string_equal(session.why, "");
	session_end(&session);
}

/* A program that says more than there is room for would wait for ever. */
static void
test_nodelay_loud(void **state)
{
	static char packet[14 + 1024] = "\0\0\4\x0a\0\x5e\0\0\0\0\0\0\4";
	struct session session;

	(void)state;
	session_open(&session);
	for (size_t i = 0; i < LIMIT_WINDOW_SMALL / 1024; i++) {
		expect_nothing(&session.fake);
		say(&session.fake, packet, sizeof(packet));
	}
	expect(&session.fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	/* Once. */
	say(&session.fake, packet, sizeof(packet));
	expect_nothing(&session.fake);
	say(&session.fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	assert_int_equal(session.done, 1);
	assert_string_equal(session.why, "sshd closed the session");
	session_end(&session);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_requests_hello),
		cmocka_unit_test(test_requests_answer),
		cmocka_unit_test(test_requests_forward),
		cmocka_unit_test(test_requests_given_up),
		cmocka_unit_test(test_proxy_hello),
		cmocka_unit_test(test_proxy_packets),
		cmocka_unit_test(test_nodelay_broken),
		cmocka_unit_test(test_nodelay_other_packets),
		cmocka_unit_test(test_nodelay_loud),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
