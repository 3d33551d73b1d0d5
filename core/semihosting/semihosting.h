/* Semihosting: what guests ask of the host (patchbay/semihosting.h), where it is allowed. */
#ifndef CORE_SEMIHOSTING_SEMIHOSTING_H
#define CORE_SEMIHOSTING_SEMIHOSTING_H

#include <glib.h>
#include <patchbay/semihosting.h>

typedef struct pb_semihosting pb_semihosting;

/* How a guest ends itself. [vcpu] */
typedef void pb_semihosting_exit(void *opaque, pb_vcpu *vcpu, int status);

/* `spec`: "root=FOLDER,args=TEXT", both optional, args last. Without a folder there are no files. `arguments` is the command
 * line if the spec has none; may be null. Null with an error. */
pb_semihosting *pb_semihosting_new(const char *spec, const char *arguments,
                                   pb_semihosting_exit *exit, void *opaque, GError **error);
/* Where guests have descriptors of the host too: each one of a file is given to this, which closes it and returns one that is out of
 * their reach, or -1 with errno. */
void pb_semihosting_keep_by(pb_semihosting *s, int (*keep)(void *opaque, int fd));
void pb_semihosting_free(pb_semihosting *s);
/* The extension. */
const pb_semihosting_ops *pb_semihosting_ops_of(const pb_semihosting *s);

#endif
