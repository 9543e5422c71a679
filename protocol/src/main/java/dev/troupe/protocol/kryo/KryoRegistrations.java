package dev.troupe.protocol.kryo;

import java.util.List;

/**
 * Classes that a module sends beside those of {@code protocol}. Named in the configuration under
 * {@code troupe.kryo.registrations}; has a public constructor without arguments.
 */
public interface KryoRegistrations {
  /**
   * On every node in the same order: a class's number is its place. Nodes whose lists differ refuse
   * one another.
   */
  List<Class<?>> classes();
}
