/*
 * The gateway's core, with both sides from the input: FTP commands, SFTP
 * servers, data connections, failures and time.  Replies to requests that wait
 * are well-formed, so that sessions get far; raw bytes come as well.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/stream.h"
#include "base/wire.h"
#include "fuzz.h"
#include "gateway_peer.h"
#include "gateway/priv.h"

/* More than the WRITEs of a channel, and what may be sent beside them. */
#define MOST_REQUESTS (LIMIT_SFTP_WRITES + 200)

struct fuzz {
	struct gateway *gateway;
	struct {
		bool wanted, up;
		size_t n;
		struct waiting all[MOST_REQUESTS];
	} channels[GATEWAY_CHANNELS];
	bool listens, up, reads, ending, eof, full, ended, freed, login;
	uint8_t upload; /* the number of the one that is being stored */
	bool temporary; /* it has a temporary name */
	bool bad[256];	/* one of its replies was */
	bool renamed;	/* the last RENAME was OK */
	char line[8];	/* the beginning of the reply line */
	size_t line_len;
	unsigned lines, finals;
	int64_t now;
	uint8_t random;
	bool left[256];	 /* a file may have that temporary name */
	bool known[256]; /* to the cleaner */
};

/* ---- what the core says ---- */

/* Everything that the upload needs has been answered, and well. */
static void
check_stored(const struct fuzz *fuzz)
{
	assert(fuzz->eof && !fuzz->bad[fuzz->upload]);
	assert(fuzz->renamed || !fuzz->temporary);
	for (size_t i = 0; i < GATEWAY_CHANNELS; i++)
		for (size_t j = 0; j < fuzz->channels[i].n; j++)
			assert(fuzz->channels[i].all[j].upload != fuzz->upload);
}

static void
on_reply(void *ctx, const void *bytes, size_t len)
{
	struct fuzz *fuzz = ctx;
	const char *text = bytes;

	assert(!fuzz->ended && !fuzz->freed);
	if (len > 12 && memcmp(text, "226 The file", 12) == 0)
		check_stored(fuzz);
	for (size_t i = 0; i < len; i++) {
		if (fuzz->line_len < sizeof(fuzz->line))
			fuzz->line[fuzz->line_len] = text[i];
		fuzz->line_len++;
		if (text[i] != '\n')
			continue;
		fuzz->finals += fuzz->line_len > 4 && fuzz->line[3] == ' ' &&
		    fuzz->line[0] >= '2' && fuzz->line[0] <= '5';
		fuzz->line_len = 0;
	}
}

static void
on_end(void *ctx)
{
	struct fuzz *fuzz = ctx;

	assert(!fuzz->ended && !fuzz->freed);
	fuzz->ended = true;
}

static void
on_fail(void *ctx, bool was_up, const char *why)
{
	assert(strlen(why) < 1000);
	on_end(ctx);
}

static void
on_open(void *ctx, unsigned channel)
{
	struct fuzz *fuzz = ctx;

	assert(!fuzz->channels[channel].wanted && !fuzz->channels[channel].up);
	fuzz->channels[channel].wanted = true;
}

static void
on_close(void *ctx, unsigned channel)
{
	struct fuzz *fuzz = ctx;

	assert(fuzz->channels[channel].wanted || fuzz->channels[channel].up);
	fuzz->channels[channel].wanted = fuzz->channels[channel].up = false;
	/* Their replies do not come. */
	fuzz->channels[channel].n = 0;
}

/* The number of an upload is the random byte of its temporary name; 0: it has
 * none. */
static uint8_t
number_of(const uint8_t *name, size_t len)
{
	const char *at = memmem(name, len, "/.culvert-", 10);
	char digits[3] = { 0 };

	if (at != NULL)
		memcpy(digits, at + 10, 2);
	return (uint8_t)strtoul(digits, NULL, 16);
}

static int
on_send(void *ctx, unsigned channel, const struct iovec *pieces, size_t n)
{
	struct fuzz *fuzz = ctx;
	const uint8_t *head = pieces->iov_base;
	struct waiting *one =
	    &fuzz->channels[channel].all[fuzz->channels[channel].n++];
	uint32_t len = head[4] == INIT ? 0 : peer_u32(head + 9);

	assert(!fuzz->freed && fuzz->channels[channel].up);
	assert(fuzz->channels[channel].n < MOST_REQUESTS);
	assert(peer_u32(head) + 4 == stream_len(pieces, n));
	*one = (struct waiting) { .type = head[4] };
	memcpy(one->id, head + 5, 4);
	if (one->type == EXTENDED && head[13] == 'p')
		one->from =
		    number_of(head + 13 + len + 4, peer_u32(head + 13 + len));
	else if (one->type == OPEN || one->type == REMOVE ||
	    one->type == RENAME)
		one->from = number_of(head + 13, len);
	if (one->type == RENAME)
		one->to = number_of(head + 17 + len, peer_u32(head + 13 + len));
	if (one->type == OPEN && channel == 0)
		fuzz->left[one->from] = true;
	if (one->type == OPEN && (head[13 + len + 3] & 2) != 0) {
		one->upload = number_of(head + 13, len);
		/* The other channels open it once more. */
		if (channel == 0) {
			fuzz->temporary = one->upload != 0;
			if (!fuzz->temporary)
				fuzz->upload = one->upload = ++fuzz->random;
			fuzz->bad[one->upload] = false;
		}
	} else if ((one->type == CLOSE || one->type == WRITE) && len == 2) {
		one->upload = head[14];
	} else if (one->type == READ) {
		one->len = peer_u32(head + 13 + len + 8);
	} else if (one->type == EXTENDED) {
		one->extension = (char)head[13];
	}
	if (one->type == RENAME || one->extension == 'p') {
		/* The file for the next upload may be open already. */
		head += one->type == RENAME ? 9 : 13 + len;
		fuzz->renamed = false;
		if (number_of(head + 4, peer_u32(head)) != 0)
			fuzz->upload = number_of(head + 4, peer_u32(head));
	}
	return 0;
}

static size_t
on_queued(void *ctx, unsigned channel)
{
	return ((struct fuzz *)ctx)->full ? LIMIT_HIGH_WATER + 1 : 0;
}

static void
on_channel_read(void *ctx, unsigned channel, bool on)
{
	assert(((struct fuzz *)ctx)->channels[channel].up);
}

static uint16_t
on_listen(void *ctx)
{
	struct fuzz *fuzz = ctx;

	assert(!fuzz->listens && !fuzz->up);
	fuzz->listens = true;
	return 1024;
}

static int
on_data_send(void *ctx, const struct iovec *pieces, size_t n)
{
	assert(((struct fuzz *)ctx)->up);
	return 0;
}

static size_t
on_data_queued(void *ctx)
{
	return on_queued(ctx, 0);
}

static void
on_data_read(void *ctx, bool on)
{
	struct fuzz *fuzz = ctx;

	assert(fuzz->up);
	fuzz->reads = on;
}

static void
on_data_gone(void *ctx)
{
	struct fuzz *fuzz = ctx;

	assert(fuzz->up || fuzz->listens);
	fuzz->up = fuzz->listens = fuzz->reads = false;
}

static bool
on_login(void *ctx, const char *user, const char *password)
{
	((struct fuzz *)ctx)->login = true;
	return true;
}

static int64_t
on_now(void *ctx)
{
	return ((struct fuzz *)ctx)->now;
}

static void
on_random(void *ctx, void *bytes, size_t len)
{
	memset(bytes, ++((struct fuzz *)ctx)->random, len);
}

static bool
on_claim(void *ctx, const char *path)
{
	return ((struct fuzz *)ctx)->random % 8 != 7;
}

static void
on_release(void *ctx)
{
	assert(!((struct fuzz *)ctx)->freed);
}

static void
on_left_over(void *ctx, const char *path, const char *target)
{
	struct fuzz *fuzz = ctx;

	assert(!fuzz->freed);
	fuzz->left[number_of((const uint8_t *)path, strlen(path))] = false;
	fuzz->known[number_of((const uint8_t *)path, strlen(path))] = true;
}

static void
on_stays(void *ctx, const char *path)
{
	on_left_over(ctx, path, NULL);
}

/* ---- what the servers say ---- */

static void
note_answer(struct fuzz *fuzz, const struct waiting *one, uint8_t status)
{
	if (status != 0 && one->type != OPEN)
		fuzz->bad[one->upload] = true;
	if (one->type == RENAME ||
	    (one->type == EXTENDED && one->extension == 'p'))
		fuzz->renamed = status == 0;
	/* What cannot be removed stays. */
	if (one->type == OPEN ? status != 0 :
				one->type == REMOVE || status == 0)
		fuzz->left[one->from] = false;
	if (one->type == RENAME && status == 0)
		fuzz->left[one->to] = !fuzz->known[one->to];
}

/* Answers one of the requests that wait, in any order. */
static void
answer(struct fuzz *fuzz, unsigned channel, size_t which, uint8_t status,
    uint8_t how)
{
	struct waiting *all = fuzz->channels[channel].all, one;
	uint8_t head[4];
	struct buf out;
	size_t n = fuzz->channels[channel].n;

	if (n == 0 || !fuzz->channels[channel].up)
		return;
	one = all[which % n];
	memmove(&all[which % n], &all[which % n + 1],
	    (n - which % n - 1) * sizeof(*all));
	fuzz->channels[channel].n--;
	buf_init(&out, 100000);
	note_answer(fuzz, &one, status);
	peer_reply(&out, &one, status, how);
	wire_poke_u32(head, (uint32_t)buf_len(&out));
	gateway_channel_bytes(fuzz->gateway, channel,
	    (struct iovec[2]) { { head, 4 },
		{ (void *)(uintptr_t)buf_bytes(&out), buf_len(&out) } },
	    2);
	buf_free(&out);
}

/* ---- inputs ---- */

static void
feed_line(struct fuzz *fuzz, const void *bytes, size_t len)
{
	if (fuzz->ended)
		return;
	for (size_t i = 0; i < len; i++)
		fuzz->lines += ((const uint8_t *)bytes)[i] == '\n';
	gateway_control(fuzz->gateway, bytes, len);
}

static void
feed_command(struct fuzz *fuzz, unsigned which)
{
	static const char *const lines[] = { "EPSV\r\n", "STOR a\r\n",
		"RETR a\r\n", "ABOR\r\n", "APPE a\r\n", "STOU\r\n",
		"LIST -a\r\n", "NLST *\r\n", "MLSD\r\n", "STAT a\r\n",
		"RNFR a\r\n", "RNTO b\r\n", "REST 5\r\n", "TYPE I\r\n",
		"HASH a\r\n", "QUIT\r\n", "CWD a\r\n", "MKD a\r\n",
		"DELE a\r\n", "MLST a\r\n", "SIZE a\r\n", "MDTM a\r\n",
		"MFMT 20260102030405 a\r\n", "SITE CHMOD 600 a\r\n", "AVBL\r\n",
		"SITE UMASK 22\r\n", "REIN\r\n", "USER a\r\n", "PASS a\r\n",
		"PWD\r\n", "RMD a\r\n", "FEAT\r\n" };

	feed_line(fuzz, lines[which], strlen(lines[which]));
}

static void
feed_data(struct fuzz *fuzz, size_t len)
{
	static uint8_t bytes[31 * 8192];

	if (fuzz->up && fuzz->reads && !fuzz->ending && len > 0)
		gateway_data_bytes(fuzz->gateway,
		    (struct iovec[2]) { { bytes, 1 }, { bytes, len * 8000 } },
		    2);
}

static void
feed_channel(struct fuzz *fuzz, unsigned channel, bool good)
{
	if (!good)
		gateway_channel_failed(fuzz->gateway, channel, "lost");
	if (!fuzz->channels[channel].wanted)
		return;
	fuzz->channels[channel].wanted = false;
	fuzz->channels[channel].up = true;
	gateway_channel_up(fuzz->gateway, channel);
}

static void
feed_event(struct fuzz *fuzz, unsigned event)
{
	struct gateway *gateway = fuzz->gateway;

	if (event == 0 && fuzz->listens) {
		fuzz->up = true;
		fuzz->listens = fuzz->ending = fuzz->eof = false;
		gateway_data_up(gateway);
	} else if (event == 1 && fuzz->up && fuzz->reads && !fuzz->eof) {
		fuzz->ending = fuzz->eof = true;
		gateway_data_eof(gateway);
	} else if (event == 2 && fuzz->up) {
		fuzz->up = fuzz->reads = false;
		gateway_data_lost(gateway);
	} else if (event == 3) {
		fuzz->full = true;
	} else if (event == 4) {
		fuzz->full = false;
		if (fuzz->up)
			gateway_data_drained(gateway);
		gateway_channel_drained(gateway, 0);
	} else if (event == 5) {
		gateway_control_end(gateway);
	} else if (event == 6 && fuzz->login) {
		fuzz->login = false;
		gateway_login_done(gateway,
		    &(struct gateway_login) { .allowed = !fuzz->full,
			.directory = fuzz->random & 1 ? "d" : "" });
	} else if (event == 7) {
		gateway_yield(gateway);
	} else if (event == 8 && fuzz->up && fuzz->reads && !fuzz->ending) {
		fuzz->ending = true;
		gateway_data_ending(gateway);
	} else if (event >= 9) {
		for (unsigned i = 0; i < (event & 16 ? 61 : 1); i++)
			gateway_tick(gateway);
	}
}

/* Returns how many of the len bytes, at least one, were an input. */
static size_t
feed(struct fuzz *fuzz, const uint8_t *bytes, size_t len)
{
	unsigned n = bytes[0] & 31, channel = n % GATEWAY_CHANNELS;
	size_t raw = n < len - 1 ? n : len - 1;

	fuzz->now += 3;
	switch (bytes[0] >> 5) {
	case 0:
		feed_command(fuzz, n);
		return 1;
	case 1:
		feed_line(fuzz, bytes + 1, raw);
		return 1 + raw;
	case 2:
		if (len >= 3)
			answer(fuzz, channel, bytes[1] >> 4, bytes[1] & 15,
			    bytes[2]);
		return len < 3 ? len : 3;
	case 3:
		feed_data(fuzz, n);
		return 1;
	case 4:
		feed_event(fuzz, n);
		return 1;
	case 5:
		feed_channel(fuzz, channel, n < GATEWAY_CHANNELS);
		return 1;
	case 6: /* in order, and well */
		for (unsigned i = 0; i <= n; i++)
			answer(fuzz, 0, 0, 0, 0x83);
		return 1;
	default:
		if (fuzz->channels[0].up)
			gateway_channel_bytes(fuzz->gateway, 0,
			    &(struct iovec) { (void *)(uintptr_t)(bytes + 1),
				raw },
			    raw > 0);
		return 1 + raw;
	}
}

static void
on_paused(void *ctx, const char *why)
{
}

static void
on_resumed(void *ctx, unsigned seconds)
{
}

static const struct gateway_handler handler = {
	.paused = on_paused,
	.resumed = on_resumed,
	.reply = on_reply,
	.end = on_end,
	.fail = on_fail,
	.channel_open = on_open,
	.channel_close = on_close,
	.channel_send = on_send,
	.channel_queued = on_queued,
	.channel_read = on_channel_read,
	.data_listen = on_listen,
	.data_send = on_data_send,
	.data_queued = on_data_queued,
	.data_read = on_data_read,
	.data_end = on_data_gone,
	.data_reset = on_data_gone,
	.login = on_login,
	.now = on_now,
	.random = on_random,
	.claim = on_claim,
	.release = on_release,
	.left_over = on_left_over,
	.stays = on_stays,
};

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct fuzz fuzz;
	struct gateway_config config = { .name = "x", .directory = "d" };

	if (len < 2)
		return 0;
	memset(&fuzz, 0, sizeof(fuzz));
	config.upload = bytes[0] & 1 ? GATEWAY_IN_PLACE : GATEWAY_ATOMIC;
	config.fsync = bytes[0] & 2;
	config.no_setstat = bytes[0] & 4;
	config.check_logins = bytes[0] & 8;
	config.newline = (bytes[0] >> 4 & 3) % 3;
	config.requests = 1 + (bytes[0] >> 6);
	config.channels = 1 + bytes[1] % GATEWAY_CHANNELS;
	config.survive_s = bytes[1] >> 6;
	fuzz.gateway = gateway_new(&config, &handler, &fuzz);
	assert(fuzz.gateway != NULL);
	for (size_t at = 2; at < len && fuzz.random < 250;
	     at += feed(&fuzz, bytes + at, len - at)) {
		/* One for each command, and the greeting. */
		assert(fuzz.finals <= fuzz.lines + 1);
		assert(fuzz.ended || fuzz.gateway->state != GATEWAY_OPEN ||
		    fuzz.gateway->busy || fuzz.finals == fuzz.lines + 1);
	}
	gateway_free(fuzz.gateway);
	fuzz.freed = true;
	/* Every temporary file was renamed, removed, or left to the cleaner. */
	fuzz.left[0] = false;
	assert(memchr(fuzz.left, true, sizeof(fuzz.left)) == NULL);
	return 0;
}
