#!/bin/sh
# Install the Debian packages the tests use, when this may be done; otherwise say which checks will be skipped.
set -u
list=$(dirname "$0")/debian-packages.txt
wanted=$(sed 's/[[:space:]]*#.*//' "$list")

missing=""
for package in $wanted; do
  case "$package" in
    dcmtk) probe=dcmconv ;;
    dicom3tools) probe=dciodvfy ;;
    orthanc) probe=Orthanc ;;
    orthanc-dicomweb) probe=/usr/share/orthanc/plugins/libOrthancDicomWeb.so ;; # a plugin, which nobody runs
    *) probe=$package ;;
  esac
  command -v "$probe" >/dev/null 2>&1 || [ -f "$probe" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing Debian packages for the tests:$missing"
  # shellcheck disable=SC2086  # the list is meant to be split
  if DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null; then
    exit 0
  fi
  echo "they could not be installed" >&2
fi
echo "These tests will be skipped, each with its reason:" >&2
for package in $missing; do
  sed -n "s/^$package *# */  without $package: /p" "$list" >&2
done
exit 0
