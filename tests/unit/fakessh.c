/*
 * A scripted ssh.
 */
#include "fakessh.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "ssh/chan.h"

void
turn(struct fake *fake)
{
	for (int i = 0; i < 5; i++)
		uv_run(&fake->loop, UV_RUN_NOWAIT);
}

void
say(struct fake *fake, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n =
		    send(fake->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN) {
			break; /* it was given up */
		}
		uv_run(&fake->loop, UV_RUN_NOWAIT);
	}
	turn(fake);
}

void
expect(struct fake *fake, const char *bytes, size_t len)
{
	uint8_t got[256];

	turn(fake);
	assert_true(len <= sizeof(got));
	assert_int_equal(recv(fake->fd, got, len, MSG_DONTWAIT), len);
	assert_memory_equal(got, bytes, len);
}

void
expect_nothing(struct fake *fake)
{
	char byte;

	turn(fake);
	assert_int_equal(recv(fake->fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
tell(struct fake *fake, char letter)
{
	size_t len = strlen(fake->told);

	assert_true(len < sizeof(fake->told) - 1);
	fake->told[len] = letter;
}

static void
on_opened(void *ctx)
{
	tell(ctx, 'o');
}

static void
on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct fake *fake = ctx;

	if (fake->told[0] == '\0' || fake->told[strlen(fake->told) - 1] != 'd')
		tell(fake, 'd');
	fake->received += stream_len(pieces, n);
	if (fake->stop_in_data)
		stream_read_stop(fake->stream);
}

static void
on_eof(void *ctx)
{
	tell(ctx, 'e');
}

static void
on_drained(void *ctx)
{
	tell(ctx, 'w');
}

static void
on_closed(void *ctx, int err, const char *why)
{
	struct fake *fake = ctx;

	assert_true(why[0] != '\0');
	tell(fake, 'c');
	fake->err = err;
	snprintf(fake->why, sizeof(fake->why), "%s", why);
}

const struct stream_handler fake_stream_handler = {
	.opened = on_opened,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.closed = on_closed,
};

static void
on_up(void *ctx)
{
	((struct fake *)ctx)->up++;
}

static void
on_lost(void *ctx, int err)
{
	(void)err;
	((struct fake *)ctx)->lost++;
	proxy_abort(((struct fake *)ctx)->proxy);
}

void
fake_listen(struct fake *fake)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memset(fake, 0, sizeof(*fake));
	fake->fd = -1;
	window_budget_init(&fake->budget, LIMIT_MEMORY, LIMIT_WINDOW_MAX);
	window_path_init(&fake->info.path, &fake->budget);
	uv_loop_init(&fake->loop);
	strcpy(fake->directory, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/ctl", fake->directory);
	strcpy(addr.sun_path, fake->path);
	fake->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fake->listener, (struct sockaddr *)&addr,
			     sizeof(addr)),
	    0);
	assert_int_equal(listen(fake->listener, 1), 0);
}

void
fake_refuse(struct fake *fake)
{
	close(fake->listener);
	unlink(fake->path);
	rmdir(fake->directory);
}

void
fake_accept(struct fake *fake)
{
	fake->fd = accept(fake->listener, NULL, NULL);
	assert_true(fake->fd >= 0);
	fake_refuse(fake);
}

void
fake_end(struct fake *fake)
{
	if (fake->fd >= 0)
		close(fake->fd);
	turn(fake);
	assert_int_equal(uv_loop_close(&fake->loop), 0);
}

/* ---- proxy mode ---- */

void
fake_proxy(struct fake *fake)
{
	static const struct proxy_handler handler = { on_up, on_lost };

	fake_listen(fake);
	assert_int_equal(proxy_new(&fake->loop, fake->path, &fake->info, NULL,
			     &handler, fake, &fake->proxy),
	    0);
	fake_accept(fake);
}

/* A byte at a time. */
int
fake_set_up_proxy(void **state)
{
	struct fake *fake = malloc(sizeof(*fake));

	fake_proxy(fake);
	for (size_t i = 0; i < sizeof(HELLO) - 1; i++)
		say(fake, &HELLO[i], 1);
	expect(fake, TEXT(HELLO));
	expect(fake, TEXT("\0\0\0\x08\x10\0\0\x0f\0\0\0\0"));
	assert_null(proxy_dial(fake->proxy, "h", 1, LINK_DATA,
	    &fake_stream_handler, fake));
	say(fake, TEXT(PROXY_YES));
	assert_int_equal(fake->up, 1);
	*state = fake;
	return 0;
}

int
fake_tear_down_proxy(void **state)
{
	struct fake *fake = *state;

	proxy_abort(fake->proxy);
	stream_close(fake->stream);
	proxy_free(fake->proxy);
	fake_end(fake);
	free(fake);
	return 0;
}

void
dial_slowly(struct fake *fake, const char *window_and_packet, unsigned int ms)
{
	char confirmation[22] = "\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7";
	uint64_t begin = uv_hrtime();

	fake->stream = proxy_dial(fake->proxy, "ftp", 21, LINK_DATA,
	    &fake_stream_handler, fake);
	assert_non_null(fake->stream);
	stream_read_start(fake->stream);
	expect(fake,
	    TEXT("\0\0\0\x3a\0\x5a\0\0\0\x0c"
		 "direct-tcpip\0\0\0\0\0\x20\0\0\0\0\x80\0"
		 "\0\0\0\3ftp\0\0\0\x15\0\0\0\x09"
		 "127.0.0.1\0\0\xff\xff"));
	memcpy(confirmation + 14, window_and_packet, 8);
	while (uv_hrtime() - begin < ms * UINT64_C(1000000))
		turn(fake);
	say(fake, confirmation, sizeof(confirmation));
	assert_string_equal(fake->told, "o");
}

void
dial(struct fake *fake, const char *window_and_packet)
{
	dial_slowly(fake, window_and_packet, 0);
}
