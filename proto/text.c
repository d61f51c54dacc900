/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * text.c - see text.h.
 */
#include "proto/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"

#define ERRNO_LAST 133 /* EHWPOISON; Linux believes an errno of .u up to 511 */

/* Linux looks up most texts (net/9p/error.c), but not these, which a file system may answer with.
 */
static bool is_unknown_text(uint32_t ecode)
{
	static const uint8_t unknown[] = {
		ENOTTY,	     ETIME,	  EOVERFLOW,	EILSEQ,		 ESTALE,
		EUCLEAN,     ENOMEDIUM,	  EMEDIUMTYPE,	ECANCELED,	 ENOKEY,
		EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED, ENOTRECOVERABLE, EHWPOISON,
	};

	return ecode <= ERRNO_LAST && memchr(unknown, (int)ecode, sizeof(unknown)) != NULL;
}

const char *text_of_error(enum p9_dialect dialect, uint32_t *ecode)
{
	const char *text = strerrordesc_np((int)*ecode);

	if (text != NULL && (dialect != P9_PLAIN || !is_unknown_text(*ecode)))
		return text;
	*ecode = EIO;
	return strerrordesc_np(EIO);
}

uint32_t text_to_errno(const char *text)
{
	for (int i = 1; i <= ERRNO_LAST; i++) {
		const char *known = strerrordesc_np(i);

		if (known != NULL && strcmp(known, text) == 0)
			return (uint32_t)i;
	}
	return 0;
}

bool text_number(const char **text, uint32_t *number)
{
	uint64_t value = 0;

	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); ++*text) {
		value = 10 * value + (uint64_t)(**text - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*number = (uint32_t)value;
	return true;
}

bool text_id(const char *text, uint32_t *id)
{
	return text_number(&text, id) && *text == '\0' && *id != P9_NONUNAME;
}

/* Linux ends it with a newline. */
bool text_link(const char *text, uint32_t *fid)
{
	if (!text_number(&text, fid))
		return false;
	text += *text == '\n';
	return *text == '\0';
}

bool text_device(const char *text, uint32_t *type, uint32_t *major, uint32_t *minor)
{
	if (text[0] != 'b' && text[0] != 'c')
		return false;
	*type = *text++ == 'b' ? S_IFBLK : S_IFCHR;
	if (*text++ != ' ' || !text_number(&text, major) || *text++ != ' ')
		return false;
	return text_number(&text, minor) && *text == '\0';
}
