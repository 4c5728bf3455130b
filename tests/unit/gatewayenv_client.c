/*
 * What the tests of the gateway's core do as its FTP client, and with the
 * files.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "gateway/priv.h"
#include "gatewayenv.h"

/* ---- the control connection ---- */

void
gatewayenv_say(struct gatewayenv *env, const char *line)
{
	gateway_control(env->gateway, line, strlen(line));
	gateway_control(env->gateway, "\r\n", 2);
}

/* The length of the first reply, or 0 (RFC 959 section 4.2). */
size_t
gatewayenv_reply_len(const struct gatewayenv *env)
{
	const char *bytes = (const char *)buf_bytes(&env->replies), *end;
	size_t len = buf_len(&env->replies), at = 0;

	while ((end = len > at ? memchr(bytes + at, '\n', len - at) : NULL) !=
	    NULL) {
		if (end - bytes - (ptrdiff_t)at > 4 && bytes[at + 3] == ' ' &&
		    memcmp(bytes, bytes + at, 3) == 0)
			return (size_t)(end + 1 - bytes);
		at = (size_t)(end + 1 - bytes);
	}
	return 0;
}

const char *
gatewayenv_reply(struct gatewayenv *env)
{
	static char text[8000];
	size_t len;

	GATEWAYENV_UNTIL(env, gatewayenv_reply_len(env) > 0);
	len = gatewayenv_reply_len(env);
	assert_true(len < sizeof(text));
	memcpy(text, buf_bytes(&env->replies), len);
	text[len] = '\0';
	buf_consume(&env->replies, len);
	return text;
}

void
gatewayenv_expect(struct gatewayenv *env, const char *reply)
{
	const char *got = gatewayenv_reply(env);

	if (strncmp(got, reply, strlen(reply)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", got, reply);
}

void
gatewayenv_command(struct gatewayenv *env, const char *line, const char *reply)
{
	gatewayenv_say(env, line);
	gatewayenv_expect(env, reply);
	/* Only one. */
	assert_int_equal(buf_len(&env->replies), 0);
}

/* ---- data connections ---- */

void
gatewayenv_data(struct gatewayenv *env)
{
	gatewayenv_command(env, "EPSV",
	    "229 Entering Extended Passive Mode (|||40000|)");
	assert_int_equal(env->data, ENV_DATA_LISTENING);
	env->data = ENV_DATA_OPEN;
	env->data_reading = env->eof_sent = env->eof_after = false;
	env->to_send_len = 0;
	buf_consume(&env->received, buf_len(&env->received));
	gateway_data_up(env->gateway);
}

/* The final reply; and what has become of the data connection. */
static void
env_end_transfer(struct gatewayenv *env, const char *reply)
{
	gatewayenv_expect(env, reply);
	assert_int_equal(env->data,
	    reply[0] == '2' ? ENV_DATA_ENDED : ENV_DATA_RESET);
	assert_int_equal(env->n_claims, 0);
	/* What is removed or cut back has been. */
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
}

void
gatewayenv_upload(struct gatewayenv *env, const char *line, const void *bytes,
    size_t len, const char *reply)
{
	gatewayenv_data(env);
	env->to_send = bytes;
	env->to_send_len = len;
	env->eof_after = true;
	gatewayenv_say(env, line);
	GATEWAYENV_UNTIL(env, gatewayenv_reply_len(env) > 0);
	if (reply[0] == '2' || memcmp(buf_bytes(&env->replies), "150", 3) == 0)
		gatewayenv_expect(env, "150 ");
	env_end_transfer(env, reply);
	assert_int_equal(buf_len(&env->replies), 0);
}

void
gatewayenv_send_part(struct gatewayenv *env, const char *line,
    const void *bytes, size_t len)
{
	gatewayenv_data(env);
	env->to_send = bytes;
	env->to_send_len = len;
	gatewayenv_say(env, line);
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env,
	    env->to_send_len == 0 && gateway_is_settled(env->gateway));
}

void
gatewayenv_download(struct gatewayenv *env, const char *line, const char *reply)
{
	gatewayenv_upload(env, line, "", 0, reply);
}

void
gatewayenv_received(struct gatewayenv *env, const void *bytes, size_t len)
{
	assert_int_equal(buf_len(&env->received), len);
	if (len > 0)
		assert_memory_equal(buf_bytes(&env->received), bytes, len);
}

const char *
gatewayenv_listing(struct gatewayenv *env)
{
	assert_int_equal(buf_append(&env->received, "", 1), 0);
	return (const char *)buf_bytes(&env->received);
}

bool
gatewayenv_is_idle(const struct gatewayenv *env)
{
	size_t pending = env->to_send_len;

	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (env->channels[i].state == ENV_CHANNEL_UP)
			pending += sftp_pending(env->gateway->channels[i].sftp);
	return pending == 0;
}

/* ---- files ---- */

const char *
gatewayenv_path(struct gatewayenv *env, const char *name)
{
	static char paths[2][256];
	static unsigned which;

	which ^= 1;
	snprintf(paths[which], sizeof(paths[which]), "%s/%s", env->directory,
	    name);
	return paths[which];
}

void
gatewayenv_put(struct gatewayenv *env, const char *name, const void *bytes,
    size_t len)
{
	FILE *file = fopen(gatewayenv_path(env, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

void
gatewayenv_check(struct gatewayenv *env, const char *name, const void *bytes,
    size_t len)
{
	FILE *file = fopen(gatewayenv_path(env, name), "r");
	char *got = malloc(len + 1);

	if (bytes == NULL)
		assert_null(file);
	else {
		if (file == NULL)
			fail_msg("there is no %s", name);
		assert_int_equal(fread(got, 1, len + 1, file), len);
		assert_memory_equal(got, bytes, len);
		fclose(file);
	}
	free(got);
}

mode_t
gatewayenv_mode(struct gatewayenv *env, const char *name)
{
	struct stat status;

	assert_int_equal(lstat(gatewayenv_path(env, name), &status), 0);
	return status.st_mode;
}

unsigned
gatewayenv_count(struct gatewayenv *env)
{
	DIR *directory = opendir(env->directory);
	unsigned n = 0;

	assert_non_null(directory);
	for (struct dirent *one; (one = readdir(directory)) != NULL;)
		n += strcmp(one->d_name, ".") != 0 &&
		    strcmp(one->d_name, "..") != 0;
	closedir(directory);
	return n;
}

void
gatewayenv_check_undone(struct gatewayenv *env)
{
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check(env, "f", "old", 3);
	assert_int_equal(gatewayenv_count(env), 1);
	assert_int_equal(env->n_left_over, 0);
	assert_int_equal(env->n_claims, 0);
	for (unsigned i = 1; i < GATEWAY_CHANNELS; i++)
		assert_int_equal(env->channels[i].state, ENV_CHANNEL_NONE);
}

uint8_t *
gatewayenv_bytes(size_t len)
{
	uint8_t *bytes = malloc(len + 1);
	uint32_t x = 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
	return bytes;
}
