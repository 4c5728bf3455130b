/*
 * gateway/list: lines of LIST, NLST and MLSD, their options, times and facts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/list.h"

/* 2026-11-30 09:37:05 UTC */
#define NOW ((int64_t)1796031425)
#define HALF_YEAR ((int64_t)15778476)
#define ALL_ATTRS 15

static struct sftp_string
string(const char *text)
{
	return (struct sftp_string) { (const uint8_t *)text, strlen(text) };
}

static struct list_entry
entry_new(const char *name, uint32_t mode)
{
	return (struct list_entry) {
		.name = string(name),
		.attrs = { .has = ALL_ATTRS,
		    .size = 4096,
		    .uid = 1000,
		    .gid = 100,
		    .mode = mode,
		    .mtime = (uint32_t)NOW },
	};
}

static void
check_line(enum list_style style, const struct list_entry *entry,
    const char *expected)
{
	char line[LIST_LINE_MAX];
	size_t len = list_line(style, entry, NOW, LIST_ALL_FACTS, line);

	assert_true(len > 2 && len < sizeof(line));
	assert_memory_equal(line + len - 2, "\r\n", 2);
	line[len - 2] = '\0';
	assert_string_equal(line, expected);
}

static void
test_long(void **state)
{
	struct list_entry entry = entry_new("name", S_IFDIR | 0755);

	(void)state;
	check_line(LIST_LONG, &entry,
	    "drwxr-xr-x    1 1000     100          4096 Nov 30 09:37 name");
	entry = entry_new(" a  b ", S_IFREG | 0640);
	entry.attrs.size = UINT64_MAX;
	entry.attrs.uid = entry.attrs.gid = UINT32_MAX;
	entry.attrs.mtime = 0;
	check_line(LIST_LONG, &entry,
	    "-rw-r-----    1 4294967295 4294967295 18446744073709551615 "
	    "Jan  1  1970  a  b ");
	check_line(LIST_NAMES, &entry, " a  b ");
}

static void
test_long_link(void **state)
{
	struct list_entry entry = entry_new("a", S_IFLNK | 0777);
	char target[SFTP_PATH_MAX + 1];

	(void)state;
	check_line(LIST_LONG, &entry,
	    "lrwxrwxrwx    1 1000     100          4096 Nov 30 09:37 a");
	entry.target = string("../b c\r");
	check_line(LIST_LONG, &entry,
	    "lrwxrwxrwx    1 1000     100          4096 Nov 30 09:37 a -> "
	    "../b c?");
	check_line(LIST_NAMES, &entry, "a");
	memset(target, 'x', sizeof(target));
	entry.target.bytes = (const uint8_t *)target;
	entry.target.len = sizeof(target);
	check_line(LIST_LONG, &entry,
	    "lrwxrwxrwx    1 1000     100          4096 Nov 30 09:37 a");
}

/* The first word of the line. */
static void
check_mode(uint32_t mode, const char *expected)
{
	struct list_entry entry = entry_new("a", mode);
	char line[LIST_LINE_MAX];

	list_line(LIST_LONG, &entry, NOW, 0, line);
	assert_int_equal(line[10], ' ');
	line[10] = '\0';
	assert_string_equal(line, expected);
}

static void
test_mode(void **state)
{
	(void)state;
	check_mode(S_IFREG, "----------");
	check_mode(S_IFREG | 0421, "-r---w---x");
	check_mode(S_IFREG | 0124, "---x-w-r--");
	check_mode(S_IFREG | 06755, "-rwsr-sr-x");
	check_mode(S_IFREG | 06644, "-rwSr-Sr--");
	check_mode(S_IFDIR | 01777, "drwxrwxrwt");
	check_mode(S_IFDIR | 01776, "drwxrwxrwT");
	check_mode(S_IFDIR | 02750, "drwxr-s---");
	check_mode(S_IFCHR | 0666, "crw-rw-rw-");
	check_mode(S_IFBLK | 0660, "brw-rw----");
	check_mode(S_IFIFO | 0600, "prw-------");
	check_mode(S_IFSOCK | 0777, "srwxrwxrwx");
	/* Without a type, and with one that nobody knows. */
	check_mode(0600, "-rw-------");
	check_mode(0110000 | 0600, "-rw-------");
}

/* Clients must be able to parse the line all the same. */
static void
test_unknown(void **state)
{
	struct list_entry entry = entry_new("a", S_IFDIR | 0700);

	(void)state;
	entry.attrs.has = 0;
	check_line(LIST_LONG, &entry,
	    "-rw-r--r--    1 0        0               0 Jan  1  1970 a");
	check_line(LIST_FACTS, &entry, "type=file; a");
	entry.type = "cdir";
	check_line(LIST_LONG, &entry,
	    "drwxr-xr-x    1 0        0               0 Jan  1  1970 a");
	check_line(LIST_FACTS, &entry, "type=cdir; a");
	entry.type = NULL;
	entry.target = string("b");
	check_line(LIST_LONG, &entry,
	    "lrwxrwxrwx    1 0        0               0 Jan  1  1970 a -> b");
	check_line(LIST_FACTS, &entry, "type=OS.unix=symlink; a");
	entry.target.bytes = NULL;
	entry.attrs.has = SFTP_ATTR_SIZE;
	check_line(LIST_FACTS, &entry, "type=file;size=4096; a");
}

/* No line can have them; all other bytes pass. */
static void
test_names(void **state)
{
	struct list_entry entry = entry_new("a", S_IFREG | 0600);
	uint8_t bytes[256], expected[256];
	char line[LIST_LINE_MAX], name[SFTP_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		expected[i] = bytes[i] = (uint8_t)i;
	expected[0] = expected['\r'] = expected['\n'] = '?';
	entry.name = (struct sftp_string) { bytes, sizeof(bytes) };
	assert_int_equal(list_line(LIST_NAMES, &entry, NOW, 0, line), 258);
	assert_memory_equal(line, expected, sizeof(expected));
	assert_int_equal(list_line(LIST_FACTS, &entry, NOW, 0, line), 259);
	assert_memory_equal(line + 1, expected, sizeof(expected));
	memset(name, 'x', sizeof(name));
	entry.name = (struct sftp_string) { (uint8_t *)name, sizeof(name) };
	assert_int_equal(list_line(LIST_NAMES, &entry, NOW, 0, line), 0);
	entry.name.len--;
	entry.target = entry.name;
	assert_int_equal(list_line(LIST_LONG, &entry, NOW, 0, line),
	    strlen("lrw-------    1 1000     100          4096 Nov 30 09:37 "
		   " -> \r\n") +
		2 * SFTP_PATH_MAX);
	entry.name.len = 0;
	assert_int_equal(list_line(LIST_NAMES, &entry, NOW, 0, line), 0);
}

static void
test_facts(void **state)
{
	struct list_entry entry = entry_new("a b", S_IFREG | 04640);
	char line[LIST_LINE_MAX];

	(void)state;
	check_line(LIST_FACTS, &entry,
	    "type=file;size=4096;modify=20261130093705;UNIX.mode=4640;"
	    "UNIX.owner=1000;UNIX.group=100; a b");
	entry.attrs.mode = S_IFDIR | 0755;
	check_line(LIST_FACTS, &entry,
	    "type=dir;modify=20261130093705;UNIX.mode=0755;"
	    "UNIX.owner=1000;UNIX.group=100; a b");
	entry.type = "pdir";
	entry.attrs.has = SFTP_ATTR_SIZE | SFTP_ATTR_MODE;
	check_line(LIST_FACTS, &entry, "type=pdir;UNIX.mode=0755; a b");
	entry.type = NULL;
	entry.attrs.mode = S_IFCHR | 0600;
	check_line(LIST_FACTS, &entry, "type=file;UNIX.mode=0600; a b");
	entry.attrs.mode = S_IFLNK | 0777;
	assert_int_equal(list_line(LIST_FACTS, &entry, NOW,
			     LIST_TYPE | LIST_SIZE, line),
	    27);
	assert_memory_equal(line, "type=OS.unix=symlink; a b\r\n", 27);
	assert_int_equal(list_line(LIST_FACTS, &entry, NOW, 0, line), 6);
	assert_memory_equal(line, " a b\r\n", 6);
}

static void
check_date(int64_t seconds, int64_t now, const char *expected)
{
	char text[LIST_DATE_MAX];

	list_format_date(seconds, now, text);
	assert_string_equal(text, expected);
}

static void
test_date(void **state)
{
	(void)state;
	check_date(NOW, NOW, "Nov 30 09:37");
	check_date(NOW + 1, NOW, "Nov 30  2026");
	check_date(NOW - HALF_YEAR + 1, NOW, "May 31 18:42");
	check_date(NOW - HALF_YEAR, NOW, "May 31  2026");
	check_date(NOW + 86400, NOW, "Dec  1  2026");
	check_date(NOW + 86400, NOW + 86400, "Dec  1 09:37");
	check_date(951782400, NOW, "Feb 29  2000");
	check_date(-1, 0, "Dec 31 23:59");
	check_date(-1, NOW, "Dec 31  1969");
	/* No clock at all: nothing overflows. */
	check_date(INT64_MIN, INT64_MAX, "Jan  1  0000");
	check_date(INT64_MAX, INT64_MIN, "Dec 31  9999");
}

/* What the calendar of libc says. */
static void
check_time(int64_t seconds)
{
	time_t libc_seconds = (time_t)seconds;
	char expected[64], text[LIST_TIME_MAX];
	struct tm tm;
	int64_t again;

	assert_non_null(gmtime_r(&libc_seconds, &tm));
	snprintf(expected, sizeof(expected), "%04d%02d%02d%02d%02d%02d",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	list_format_time(seconds, text);
	assert_string_equal(text, expected);
	assert_int_equal(list_parse_time(text, strlen(text), &again), 0);
	assert_int_equal(again, seconds);
}

static void
test_time(void **state)
{
	static const int64_t first = -62167219200, last = 253402300799;
	char text[LIST_TIME_MAX];

	(void)state;
	/* Each day of the years 0 to 9999, at some time of it. */
	for (int64_t seconds = first; seconds <= last - 86400; seconds += 86400)
		check_time(seconds + (seconds / 86400 * 7919 % 43200) + 43200);
	check_time(first);
	check_time(last);
	check_time(-1);
	check_time(0);
	check_time(NOW);
	check_time(UINT32_MAX);
	list_format_time(INT64_MIN, text);
	assert_string_equal(text, "00000101000000");
	list_format_time(INT64_MAX, text);
	assert_string_equal(text, "99991231235959");
}

static void
check_parsed(const char *text, int result, int64_t expected)
{
	int64_t seconds = 4711;

	assert_int_equal(list_parse_time(text, strlen(text), &seconds), result);
	assert_int_equal(seconds, result == 0 ? expected : 4711);
}

static void
test_parse_time(void **state)
{
	static const char *const bad[] = { "", "2026113009370",
		"202611300937055", "20261130093705 ", "20261130093705.",
		"20261130093705.1x", "20261130093705,1", "+0261130093705",
		" 0261130093705", "20260030093705", "20261330093705",
		"20261100093705", "20261131093705", "20270229093705",
		"21000229093705", "20261130243705", "20261130096005",
		"20261130093761", "2026113009370x", "2026-11-300937" };

	(void)state;
	check_parsed("20261130093705", 0, NOW);
	check_parsed("20261130093705.0", 0, NOW);
	check_parsed("20261130093705.999999999999999999999999", 0, NOW);
	check_parsed("20000229000000", 0, 951782400);
	check_parsed("20280229000000", 0, 1835395200);
	check_parsed("19691231235959", 0, -1);
	check_parsed("20161231235960", 0, 1483228800);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_parsed(bad[i], -EINVAL, 0);
}

static void
check_options(const char *argument, const char *path, const char *letters)
{
	struct list_options options;
	size_t len;
	const char *rest =
	    list_read_options(argument, strlen(argument), &options, &len);

	assert_ptr_equal(rest + len, argument + strlen(argument));
	assert_string_equal(rest, path);
	assert_int_equal(options.all, strchr(letters, 'a') != NULL);
	assert_int_equal(options.almost, strchr(letters, 'A') != NULL);
	assert_int_equal(options.directory, strchr(letters, 'd') != NULL);
}

static void
test_options(void **state)
{
	(void)state;
	check_options("", "", "");
	check_options("  ", "", "");
	check_options("dir", "dir", "");
	check_options("a -a", "a -a", "");
	check_options("-al", "", "a");
	check_options("-al DIR -d", "DIR -d", "a");
	check_options(" -a  -ld\tmy dir ", "my dir ", "ad");
	check_options("-aA", "", "A");
	check_options("-A -a x", "x", "a");
	check_options("-lRtZ1 x", "x", "");
	check_options("-a -- -d", "-d", "a");
	check_options("--", "", "");
	check_options("-- -- -a", "-- -a", "");
	check_options("--all x", "x", "");
	check_options("-", "-", "");
	check_options("- -a", "- -a", "");
	check_options("-a -", "-", "a");
}

static void
check_hides(const struct list_options *options, const char *hidden)
{
	static const char *const names[] = { ".", "..", ".x", "...", "x",
		"x." };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct sftp_string name = string(names[i]);

		assert_int_equal(list_hides(options, &name), hidden[i] == '1');
	}
}

static void
test_hides(void **state)
{
	struct list_options options = { .all = false };

	(void)state;
	check_hides(&options, "111100");
	options.almost = true;
	check_hides(&options, "110000");
	options = (struct list_options) { .all = true };
	check_hides(&options, "000000");
}

static unsigned
read_facts(const char *text)
{
	return list_read_facts(text, strlen(text));
}

static void
test_fact_names(void **state)
{
	char text[LIST_FACTS_MAX];

	(void)state;
	assert_int_equal(read_facts("type;size;"), LIST_TYPE | LIST_SIZE);
	assert_int_equal(read_facts("Type;unix.MODE;Perm;Unique;modify"),
	    LIST_TYPE | LIST_MODE | LIST_MODIFY);
	assert_int_equal(read_facts(""), 0);
	assert_int_equal(read_facts(";;siz;sizes; size;"), 0);
	assert_string_equal(list_write_facts(0, 0, true, text), "");
	assert_string_equal(list_write_facts(LIST_ALL_FACTS, LIST_ALL_FACTS,
				false, text),
	    "type;size;modify;UNIX.mode;UNIX.owner;UNIX.group;");
	assert_string_equal(list_write_facts(LIST_ALL_FACTS,
				LIST_SIZE | LIST_GROUP, true, text),
	    "type;size*;modify;UNIX.mode;UNIX.owner;UNIX.group*;");
	assert_string_equal(list_write_facts(LIST_SIZE | LIST_OWNER, LIST_TYPE,
				true, text),
	    "size;UNIX.owner;");
	for (unsigned facts = 0; facts <= LIST_ALL_FACTS; facts++)
		assert_int_equal(read_facts(
				     list_write_facts(facts, 0, false, text)),
		    facts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_long_link),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_parse_time),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_hides),
		cmocka_unit_test(test_fact_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
