/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * text.h - what plain 9P2000, and in part 9P2000.u, say in words: errors, users and groups (as
 * decimal numbers: this server keeps no names), and the objects of Tcreate.extension.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/9p.h"

/* Rerror.ename for an errno: what strerror(3) says without a locale, as Linux' client looks it up.
 * An errno that has no text there becomes that of EIO; so `*ecode` may, too. */
const char *text_of_error(enum p9_dialect dialect, uint32_t *ecode);

/* The other way round; 0: a text that is none of them. */
uint32_t text_to_errno(const char *text);

/* A decimal number at `*text`, which moves behind it. */
bool text_number(const char **text, uint32_t *number);

/* The same, and nothing else in the text: a user or group. */
bool text_id(const char *text, uint32_t *id);

/* The number of an existing fid, which a hard link is made for. */
bool text_link(const char *text, uint32_t *fid);

/* "b MAJOR MINOR" or "c MAJOR MINOR"; `type` is S_IFBLK or S_IFCHR. */
bool text_device(const char *text, uint32_t *type, uint32_t *major, uint32_t *minor);

#endif
