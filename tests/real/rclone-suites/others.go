package suites

// Their tests are run from here, so go.mod and go.sum hold what they need.
import (
	_ "github.com/rclone/rclone/fs/operations"
	_ "github.com/rclone/rclone/fs/sync"
	_ "github.com/rclone/rclone/vfs"
)
