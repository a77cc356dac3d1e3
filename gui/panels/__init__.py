"""The panels of the window, one file each: a panel draws a snapshot and does not depend on its source."""
