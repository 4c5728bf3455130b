/*
 * ssh/ciphers.c: the list in what ssh -G prints, and its order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ssh/ciphers.h"

/* OpenSSH 9.2 and 10.0. */
#define OPENSSH_9                                                         \
	"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr," \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define OPENSSH_10                                              \
	"chacha20-poly1305@openssh.com,aes128-gcm@openssh.com," \
	"aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
#define GCM_FIRST                                        \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com," \
	"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"

/* In a copy of the very size, so that reading past its end shows. */
static int
find(const char *text, size_t len, char list[LIMIT_SSH_CIPHERS])
{
	char *copy = malloc(len + (len == 0));
	int err;

	memcpy(copy, text, len);
	err = ciphers_find(copy, len, list);
	free(copy);
	return err;
}

static void
test_find(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *list;
	} texts[] = {
		{ "user root\nciphers aes128-ctr\nport 22\n", 0, "aes128-ctr" },
		{ "ciphers a,b-c@d.e_f+9\n", 0, "a,b-c@d.e_f+9" },
		{ "ciphers " OPENSSH_9 "\n", 0, OPENSSH_9 },
		{ "ciphers a\nciphers b\n", 0, "a" },
		{ "", -ENOENT, NULL },
		{ "\n", -ENOENT, NULL },
		{ "ciphers a", -ENOENT, NULL }, /* cut short */
		{ "cipher a\n", -ENOENT, NULL },
		{ "ciphers\n", -ENOENT, NULL },
		{ "xciphers a\n", -ENOENT, NULL },
		{ " ciphers a\n", -ENOENT, NULL },
		{ "ciphers \n", -EINVAL, NULL },
		{ "ciphers a,\n", -EINVAL, NULL },
		{ "ciphers ,a\n", -EINVAL, NULL },
		{ "ciphers a,,b\n", -EINVAL, NULL },
		{ "ciphers a b\n", -EINVAL, NULL },
		{ "ciphers a\r\n", -EINVAL, NULL },
		{ "ciphers ^a\n", -EINVAL, NULL },
		{ "ciphers a;b\n", -EINVAL, NULL },
		{ "ciphers a\xc3\xa4\n", -EINVAL, NULL },
	};
	char list[LIMIT_SSH_CIPHERS];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i].text);

		strcpy(list, "untouched");
		if (find(texts[i].text, len, list) != texts[i].err)
			fail_msg("%s", texts[i].text);
		assert_string_equal(list,
		    texts[i].err == 0 ? texts[i].list : "untouched");
		/* Cut short it is never another list. */
		while (texts[i].err == 0 && len-- > 0) {
			if (find(texts[i].text, len, list) == 0)
				assert_string_equal(list, texts[i].list);
		}
	}
	assert_int_equal(find("ciphers a\0b\n", 12, list), -EINVAL);
}

static void
test_find_long(void **state)
{
	char text[2 * LIMIT_SSH_CIPHERS], list[LIMIT_SSH_CIPHERS];
	size_t len = strlen("ciphers ");

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "ciphers ", len);
	text[len + LIMIT_SSH_CIPHERS - 1] = '\n';
	assert_int_equal(find(text, len + LIMIT_SSH_CIPHERS, list), 0);
	assert_int_equal(strlen(list), LIMIT_SSH_CIPHERS - 1);
	assert_false(ciphers_reorder(list, list));
	text[len + LIMIT_SSH_CIPHERS - 1] = 'x';
	text[len + LIMIT_SSH_CIPHERS] = '\n';
	assert_int_equal(find(text, len + LIMIT_SSH_CIPHERS + 1, list),
	    -EINVAL);
}

static void
test_reorder(void **state)
{
	static const struct {
		const char *list;
		const char *order; /* NULL: it is right */
	} lists[] = {
		{ OPENSSH_9, GCM_FIRST },
		{ OPENSSH_10, GCM_FIRST },
		{ GCM_FIRST, NULL },
		{ "aes128-ctr,chacha20-poly1305@openssh.com", NULL },
		{ "aes256-gcm@openssh.com", NULL },
		{ "a,aes256-gcm@openssh.com", "aes256-gcm@openssh.com,a" },
		{ "aes256-gcm,b,aes128-gcm,a", "aes256-gcm,aes128-gcm,b,a" },
		{ "sm4-gcm,a-gcm,aes,aes-ctr", NULL },
		{ "a", NULL },
	};
	char order[LIMIT_SSH_CIPHERS];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		strcpy(order, "untouched");
		assert_int_equal(ciphers_reorder(lists[i].list, order),
		    lists[i].order != NULL);
		assert_string_equal(order,
		    lists[i].order != NULL ? lists[i].order : "untouched");
	}
}

static void
test_list(void **state)
{
	static const char *const bad[] = { "", "a b", "a\n", "a%h", "a;b", "+a",
		"-a", "a,", ",a", "a,,b", "^a", "a$(x)", "a/b", "a\"", "a=b",
		"\xc3\xa4" };
	char text[LIMIT_SSH_CIPHERS + 1];

	(void)state;
	assert_true(ciphers_are_list(
	    "aes128-gcm@openssh.com,Aes.256,chacha20-poly1305@openssh.com"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ciphers_are_list(bad[i]))
			fail_msg("'%s' is taken", bad[i]);
	memset(text, 'a', sizeof(text));
	text[LIMIT_SSH_CIPHERS] = '\0';
	assert_false(ciphers_are_list(text));
	text[LIMIT_SSH_CIPHERS - 1] = '\0';
	assert_true(ciphers_are_list(text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_long),
		cmocka_unit_test(test_reorder),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
