/*
 * Manifests: a plugin's tables as JSON in a file beside it (dev-pl011.json for dev-pl011.so), written by the build
 * from the tables themselves. Listing, describing and checking machines read these and open nothing.
 *
 * A manifest names the build of its plugin (the linker's build id); one of another build is not used.
 */
#ifndef CORE_PLUGIN_MANIFEST_H
#define CORE_PLUGIN_MANIFEST_H

#include <glib.h>
#include <patchbay/plugin.h>

typedef struct pb_manifest pb_manifest;

/* The manifest beside a plugin's file; null if there is none, if it is of another build, or damaged: then the
 * plugin itself is asked. */
pb_manifest *pb_manifest_read(const char *plugin_file);
void pb_manifest_free(pb_manifest *manifest); /* null is fine */

/* The plugin's tables, without functions. Lives as long as the manifest. */
const pb_plugin *pb_manifest_plugin(const pb_manifest *manifest);

/* The manifest's text; free it. Null if a text of the tables is not UTF-8. build_id may be null (never read back as valid then). */
char *pb_manifest_text(const pb_plugin *plugin, const char *build_id);

#endif
