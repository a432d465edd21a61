#!/bin/sh
# Installs the Debian packages that the conformance suites drive; does nothing where they are all there.
set -e
packages="dovecot-imapd dovecot-lmtpd postfix postgresql swaks isync offlineimap3 mutt neomutt fetchmail imapfilter curl alpine tmux openssl libnet-ssleay-perl thunderbird gcc libc6-dev strace"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "conformance needs root to install:$missing" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
# No service of theirs is started: the suites run their own, beside the system's configuration.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.penfold && chmod +x /usr/sbin/policy-rc.d.penfold
[ -e /usr/sbin/policy-rc.d ] || { mv /usr/sbin/policy-rc.d.penfold /usr/sbin/policy-rc.d; ours=1; }
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
rm -f /usr/sbin/policy-rc.d.penfold
[ -z "${ours:-}" ] || rm -f /usr/sbin/policy-rc.d
