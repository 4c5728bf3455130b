/*
 * The times of directory listings, and of MDTM and MFMT.  All are UTC: a time
 * zone would be that of neither the client nor the SFTP server.  gmtime_r(3)
 * is not used because it may read a file of the time zone.
 */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "gateway/list.h"

#define DAY ((int64_t)86400)

/* Half of a year of 365.2425 days, as ls(1) takes it. */
#define SIX_MONTHS ((uint64_t)31556952 / 2)

/* 1970-01-01 in days since 0000-03-01, and the days of 400 years. */
#define DAYS_TO_1970 719468
#define DAYS_OF_400 146097

/* The first and the last second that four digits of a year can express. */
#define TIME_FIRST ((int64_t)-62167219200)
#define TIME_LAST ((int64_t)253402300799)

struct date {
	unsigned year, month, day, hour, minute, second;
};

/* The days before the first of a month, in a year that begins in March: the
 * lengths of its months are 31, 30, 31, 30, 31 repeatedly, and a leap day is
 * its last. */
static int64_t
days_before(unsigned month)
{
	return (153 * (int64_t)((month + 9) % 12) + 2) / 5;
}

/* The days from 0000-03-01 to the first of March of a year from 0 to 9999, or
 * of the one before, -1. */
static int64_t
days_to_year(int64_t year)
{
	int64_t of_400 = (year + 400) % 400;

	return (year + 400) / 400 * DAYS_OF_400 - DAYS_OF_400 + of_400 * 365 +
	    of_400 / 4 - of_400 / 100;
}

/* Days since 1970. */
static int64_t
date_to_days(unsigned year, unsigned month, unsigned day)
{
	return days_to_year((int64_t)year - (month < 3)) + days_before(month) +
	    day - 1 - DAYS_TO_1970;
}

static struct date
date_of(int64_t seconds)
{
	struct date date;
	int64_t days, year, rest, month;

	if (seconds < TIME_FIRST)
		seconds = TIME_FIRST;
	if (seconds > TIME_LAST)
		seconds = TIME_LAST;
	/* Count from the year 0, where nothing is negative. */
	rest = (seconds - TIME_FIRST) % DAY;
	days = (seconds - TIME_FIRST) / DAY + TIME_FIRST / DAY + DAYS_TO_1970;
	/* The estimate is at most two years too high. */
	year = days * 400 / DAYS_OF_400 + 1;
	while (days_to_year(year) > days)
		year--;
	days -= days_to_year(year);
	month = (days * 5 + 2) / 153;
	date.month = (unsigned)((month + 2) % 12 + 1);
	date.day = (unsigned)(days - days_before(date.month) + 1);
	date.year = (unsigned)(year + (date.month < 3));
	date.hour = (unsigned)(rest / 3600);
	date.minute = (unsigned)(rest / 60 % 60);
	date.second = (unsigned)(rest % 60);
	return date;
}

void
list_format_date(int64_t seconds, int64_t now, char text[LIST_DATE_MAX])
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct date date = date_of(seconds);

	if (seconds <= now && (uint64_t)now - (uint64_t)seconds < SIX_MONTHS)
		snprintf(text, LIST_DATE_MAX, "%s %2u %02u:%02u",
		    months[date.month - 1], date.day % 100, date.hour % 100,
		    date.minute % 100);
	else
		snprintf(text, LIST_DATE_MAX, "%s %2u  %04u",
		    months[date.month - 1], date.day % 100, date.year % 10000);
}

void
list_format_time(int64_t seconds, char text[LIST_TIME_MAX])
{
	struct date date = date_of(seconds);

	/* % says to the compiler how long it can be. */
	snprintf(text, LIST_TIME_MAX, "%04u%02u%02u%02u%02u%02u",
	    date.year % 10000, date.month % 100, date.day % 100,
	    date.hour % 100, date.minute % 100, date.second % 100);
}

/* The days of a month. */
static unsigned
month_days(unsigned year, unsigned month)
{
	if (month == 12)
		return 31;
	return (unsigned)(date_to_days(year, month + 1, 1) -
	    date_to_days(year, month, 1));
}

/* Reads len digits, of a number from least to most, and moves *text on. */
static int
read_part(const char **text, size_t len, unsigned least, unsigned most,
    unsigned *ret)
{
	uint64_t number;

	if (num_parse(*text, len, most, &number) != 0 || number < least)
		return -EINVAL;
	*text += len;
	*ret = (unsigned)number;
	return 0;
}

int
list_parse_time(const char *text, size_t len, int64_t *ret)
{
	const char *end = text + len;
	struct date date;

	/* A leap second is the next one: 60 is permitted. */
	if (len < LIST_TIME_MAX - 1 ||
	    read_part(&text, 4, 0, 9999, &date.year) != 0 ||
	    read_part(&text, 2, 1, 12, &date.month) != 0 ||
	    read_part(&text, 2, 1, month_days(date.year, date.month),
		&date.day) != 0 ||
	    read_part(&text, 2, 0, 23, &date.hour) != 0 ||
	    read_part(&text, 2, 0, 59, &date.minute) != 0 ||
	    read_part(&text, 2, 0, 60, &date.second) != 0)
		return -EINVAL;
	if (text < end) {
		if (*text++ != '.' || text == end)
			return -EINVAL;
		for (; text < end; text++)
			if (*text < '0' || *text > '9')
				return -EINVAL;
	}
	*ret = date_to_days(date.year, date.month, date.day) * DAY +
	    date.hour * 3600 + date.minute * 60 + date.second;
	return 0;
}
