// The version of this source tree, once: the command, `make doc` and `make install` take it from here, and the page Changes has a
// section for it.

/// The release that this is, or that it will be.
public enum Version {
  public static let current = "0.1.0"
}
