# Starts Java with Troupe's command line. For ./troupe and the entry point of an image, which say TROUPE_HOME, java (the program), classpath and command (how
# a person calls this).
# One thread per lane is Troupe's own business; a second OpenMP pool would slow everything.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# Where several threads do work on one operation (-Dtroupe.wide), they wait for one another briefly and then sleep.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}
# DJL asks before it tells anyone what it does; it need not.
export OPT_OUT_TRACKING=true

# Java takes the encoding of arguments and file names from the locale. The C locale's, which is also what an unknown locale
# comes to, is ASCII: no file name with an accent could be opened.
case $(locale charmap 2>/dev/null || true) in
  ANSI_X3.4-1968 | US-ASCII | "") export LC_ALL=C.UTF-8 ;;
esac

columns=
if [ -t 1 ]; then columns=-Dtroupe.columns=$(tput cols 2>/dev/null || echo 100); fi

# shellcheck disable=SC2086  # options are words
exec "$java" -Xmx"${TROUPE_HEAP:-2g}" -XX:+UseSerialGC \
  -Djava.awt.headless=true -Dfile.encoding=UTF-8 \
  -Dtroupe.home="$TROUPE_HOME" -Dtroupe.command="$command" $columns ${TROUPE_JAVA_OPTS:-} -cp "$classpath${TROUPE_CLASSPATH:+:$TROUPE_CLASSPATH}" dev.troupe.launcher.Troupe "$@"
