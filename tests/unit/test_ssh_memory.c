/*
 * src/ssh when there is no memory: what is short is run again and again, each
 * time with another allocation that fails.  Somebody is told of it each time:
 * by what is returned, or by a callback.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fakessh.h"
#include "limits.h"
#include "ssh/nodelay.h"
#include "ssh/reconnect.h"
#include "ssh/requests.h"

/* ---- the allocator, by the linker's --wrap ---- */

static bool counts; /* those of src/ssh only */
static size_t n_made, fails_at;
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
void *__real_reallocarray(void *old, size_t n, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

static bool
fails(void)
{
	if (!counts || n_made++ != fails_at)
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, n, size);
}

/* Runs it with each allocation failing, until none is left.  It returns whether
 * somebody was told.  Returns how many there are. */
static size_t
each_fails(bool (*run)(void))
{
	bool told;

	for (fails_at = 0;; fails_at++) {
		n_made = 0;
		has_failed = false;
		counts = true;
		told = run();
		counts = false;
		if (told != has_failed)
			fail_msg("allocation %zu: %s", fails_at,
			    told ? "needless words" : "nobody was told");
		if (!has_failed)
			return fails_at;
	}
}

/* ---- requests ---- */

struct asker {
	struct fake fake;
	struct requests *requests;
	unsigned int up, lost, done, failed, alive;
};

static void
on_up(void *ctx)
{
	((struct asker *)ctx)->up++;
}

static void
on_lost(void *ctx, int err)
{
	struct asker *asker = ctx;

	(void)err;
	asker->lost++;
	requests_abort(asker->requests);
}

static void
on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct asker *asker = ctx;

	(void)err;
	(void)why;
	asker->done++;
	asker->failed += port == 0;
}

static void
on_alive(void *ctx, bool alive)
{
	struct asker *asker = ctx;

	asker->alive++;
	asker->failed += !alive;
}

static bool
ask(struct asker *asker)
{
	struct link_forward *forward;
	bool told = false;

	say(&asker->fake, TEXT(HELLO));
	if (asker->up == 0)
		return true;
	forward = requests_forward(asker->requests, "localhost", 0, "/path",
	    on_forward, asker);
	told |= forward == NULL;
	told |= requests_alive(asker->requests, on_alive, asker) == NULL;
	if (!told)
		say(&asker->fake,
		    TEXT("\0\0\0\x0c\x80\0\0\7\0\0\0\0\0\0\x9c\x40"
			 "\0\0\0\x0c\x80\0\0\5\0\0\0\1\0\0\0\x63"));
	/* Its end wants memory, too. */
	link_forward_close(forward);
	turn(&asker->fake);
	return told || asker->lost > 0 || asker->failed > 0;
}

static bool
run_requests(void)
{
	static const struct requests_handler handler = { .up = on_up,
		.lost = on_lost };
	struct asker asker = { .up = 0 };
	bool told = true;

	fake_listen(&asker.fake);
	if (requests_new(&asker.fake.loop, asker.fake.path, NULL, &handler,
		&asker, &asker.requests) != 0) {
		fake_refuse(&asker.fake);
	} else {
		fake_accept(&asker.fake);
		told = ask(&asker);
		requests_abort(asker.requests);
		requests_free(asker.requests);
	}
	fake_end(&asker.fake);
	return told;
}

static void
test_requests(void **state)
{
	(void)state;
	assert_true(each_fails(run_requests) >= 7);
}

/* ---- channels ---- */

static void
on_proxy_up(void *ctx)
{
	((struct fake *)ctx)->up++;
}

static void
on_proxy_lost(void *ctx, int err)
{
	struct fake *fake = ctx;

	(void)err;
	fake->lost++;
	proxy_abort(fake->proxy);
}

static bool
use_channel(struct fake *fake)
{
	static char bytes[4096];
	bool told = false;

	say(fake, TEXT(HELLO PROXY_YES));
	if (fake->up == 0)
		return true;
	fake->stream = proxy_dial(fake->proxy, "h", 1, LINK_DATA,
	    &fake_stream_handler, fake);
	if (fake->stream == NULL)
		return true;
	/* A window of one byte: the rest is queued. */
	say(fake, TEXT("\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\0\0\1\0\0\0\1"));
	told |= stream_write(fake->stream, bytes, sizeof(bytes)) != 0;
	/* Nobody reads what comes. */
	if (fake->lost == 0)
		say(fake, TEXT("\0\0\0\x0b\0\x5e\0\0\0\0\0\0\0\1x"));
	turn(fake);
	return told || fake->lost > 0 || fake->err != 0;
}

static bool
run_channel(void)
{
	static const struct proxy_handler handler = { on_proxy_up,
		on_proxy_lost };
	struct fake fake;
	bool told = true;

	fake_listen(&fake);
	if (proxy_new(&fake.loop, fake.path, &fake.info, NULL, &handler, &fake,
		&fake.proxy) != 0) {
		fake_refuse(&fake);
	} else {
		fake_accept(&fake);
		told = use_channel(&fake);
		stream_close(fake.stream);
		proxy_abort(fake.proxy);
		proxy_free(fake.proxy);
	}
	fake_end(&fake);
	return told;
}

static void
test_channel(void **state)
{
	(void)state;
	assert_true(each_fails(run_channel) >= 7);
}

/* ---- nodelay ---- */

static void
on_done(void *ctx, const char *why)
{
	unsigned int *failed = ctx;

	*failed += why != NULL;
}

static bool
run_nodelay(void)
{
	static const struct nodelay_handler handler = { .done = on_done };
	struct nodelay *nodelay;
	struct fake fake;
	unsigned int failed = 0;
	bool told = true;

	fake_listen(&fake);
	if (nodelay_new(&fake.loop, fake.path, NULL, &fake.info.sends_eof,
		&handler, &failed, &nodelay) != 0) {
		fake_refuse(&fake);
	} else {
		fake_accept(&fake);
		say(&fake, TEXT(HELLO PROXY_YES));
		told = failed > 0;
		nodelay_free(nodelay);
	}
	fake_end(&fake);
	return told;
}

static void
test_nodelay(void **state)
{
	(void)state;
	assert_true(each_fails(run_nodelay) >= 3);
}

/* ---- what holds them all ---- */

static bool
run_reconnect(void)
{
	static const struct reconnect_handler handler = { 0 };
	static const struct reconnect_options options = {
		.pause_ms = 1,
		.pause_max_ms = 1,
	};
	struct window_budget budget;
	struct link_options link = {
		.program = "ssh",
		.destination = "far",
		.directory = "/",
		.budget = &budget,
	};
	struct links_options links = {
		.link = &link,
		.max = 2,
		.idle_ms = 1,
		.pause_ms = 1,
	};
	struct reconnect *reconnect;
	uv_loop_t loop;

	window_budget_init(&budget, LIMIT_MEMORY, LIMIT_WINDOW_MAX);
	uv_loop_init(&loop);
	reconnect = reconnect_new(&loop, &links, &options, &handler, NULL);
	reconnect_free(reconnect);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return reconnect == NULL;
}

static void
test_reconnect(void **state)
{
	(void)state;
	assert_true(each_fails(run_reconnect) >= 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_channel),
		cmocka_unit_test(test_nodelay),
		cmocka_unit_test(test_reconnect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
