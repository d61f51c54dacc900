/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * 9p.h - numbers of the protocol. Sources: the Plan 9 manual (intro(5) and following) for the
 * common part, include/net/9p/9p.h of Linux for 9P2000.u, and diod's protocol page for 9P2000.L.
 */
#ifndef PROTO_9P_H
#define PROTO_9P_H

#include <stdint.h>

#define P9_NOTAG 0xffff
#define P9_NOFID 0xffffffffu
#define P9_NONUNAME 0xffffffffu
#define P9_MAXWELEM 16	   /* names in one Twalk */
#define P9_HEADER_SIZE 7   /* size u32, type u8, tag u16 */
#define P9_IO_HEADER 24	   /* what a client subtracts from msize for its payload */
#define P9_READ_HEADER 11  /* of Rread and Rreaddir before the data */
#define P9_WRITE_HEADER 23 /* of Twrite before the data */
#define P9_MSIZE_MIN 4096  /* Linux mounts nothing below */
#define P9_MSIZE_MAX (1u << 20)
#define P9_ERRNO_MAX 4095 /* Rlerror: 1 to this, else Linux takes it for something else */

#define P9_ERROR_MAX 126 /* bytes of Rerror.ename: Linux has room for no more */

/* What client and server agree on. Memory that says nothing says 9P2000.L. */
enum p9_dialect {
	P9_L,
	P9_U,
	P9_PLAIN, /* 9P2000 */
	P9_DIALECTS,
};

#define P9_VERSION_L "9P2000.L"
#define P9_VERSION_U "9P2000.u"
#define P9_VERSION_PLAIN "9P2000"
#define P9_VERSION_UNKNOWN "unknown"

/* qid.type; plain 9P2000 knows no links. */
#define P9_QTDIR 0x80
#define P9_QTSYMLINK 0x02
#define P9_QTFILE 0x00

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

/* Topen.mode, Tcreate.mode */
#define P9_OREAD 0x00u
#define P9_OWRITE 0x01u
#define P9_ORDWR 0x02u
#define P9_OEXEC 0x03u
#define P9_OACCMODE 0x03u
#define P9_OTRUNC 0x10u
#define P9_OCEXEC 0x20u
#define P9_ORCLOSE 0x40u
#define P9_OAPPEND 0x80u /* 9P2000.u */

/* Tcreate.perm, p9_stat.mode; those from DMSYMLINK on are 9P2000.u's. */
#define P9_DMDIR 0x80000000u
#define P9_DMSYMLINK 0x02000000u
#define P9_DMLINK 0x01000000u
#define P9_DMDEVICE 0x00800000u
#define P9_DMNAMEDPIPE 0x00200000u
#define P9_DMSOCKET 0x00100000u
#define P9_DMSETUID 0x00080000u
#define P9_DMSETGID 0x00040000u
#define P9_DMSETVTX 0x00010000u
#define P9_DMPERM 0x000001ffu

/* Twstat: a number that says "leave it as it is"; a string says so by being empty. */
#define P9_UNTOUCHED (~UINT64_C(0))

/* Tgetattr.request_mask, Rgetattr.valid */
#define P9_GETATTR_BASIC 0x07ffu
#define P9_GETATTR_BTIME 0x0800u
#define P9_GETATTR_GEN 0x1000u

/* Tsetattr.valid */
#define P9_SETATTR_MODE 0x001u
#define P9_SETATTR_UID 0x002u
#define P9_SETATTR_GID 0x004u
#define P9_SETATTR_SIZE 0x008u
#define P9_SETATTR_ATIME 0x010u
#define P9_SETATTR_MTIME 0x020u
#define P9_SETATTR_CTIME 0x040u
#define P9_SETATTR_ATIME_SET 0x080u
#define P9_SETATTR_MTIME_SET 0x100u

/* Tlopen.flags, Tlcreate.flags: the generic Linux numbers, to be translated, not cast. */
#define P9_O_ACCMODE 00000003u
#define P9_O_EXCL 00000200u
#define P9_O_TRUNC 00001000u
#define P9_O_APPEND 00002000u
#define P9_O_DSYNC 00010000u
#define P9_O_DIRECTORY 00200000u
#define P9_O_NOATIME 01000000u
#define P9_O_SYNC 04000000u

/* Tunlinkat.flags */
#define P9_AT_REMOVEDIR 0x200u

/* Txattrcreate.flags */
#define P9_XATTR_CREATE 1u
#define P9_XATTR_REPLACE 2u

/* Tlock.type, Tlock.flags, Rlock.status */
#define P9_LOCK_RDLCK 0
#define P9_LOCK_WRLCK 1
#define P9_LOCK_UNLCK 2
#define P9_LOCK_BLOCK 1u
#define P9_LOCK_RECLAIM 2u
#define P9_LOCK_SUCCESS 0
#define P9_LOCK_BLOCKED 1

#endif
