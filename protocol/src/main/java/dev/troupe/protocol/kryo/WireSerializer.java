package dev.troupe.protocol.kryo;

import com.esotericsoftware.kryo.kryo5.Kryo;
import com.esotericsoftware.kryo.kryo5.KryoException;
import com.esotericsoftware.kryo.kryo5.Registration;
import com.esotericsoftware.kryo.kryo5.Serializer;
import com.esotericsoftware.kryo.kryo5.io.ByteBufferInput;
import com.esotericsoftware.kryo.kryo5.io.ByteBufferOutput;
import com.esotericsoftware.kryo.kryo5.io.Input;
import com.esotericsoftware.kryo.kryo5.io.KryoBufferOverflowException;
import com.esotericsoftware.kryo.kryo5.io.Output;
import com.esotericsoftware.kryo.kryo5.serializers.OptionalSerializers;
import com.esotericsoftware.kryo.kryo5.util.DefaultClassResolver;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.TokenIds;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.ByteBufferSerializer;
import org.apache.pekko.serialization.JSerializer;

/** Pekko's serializer for messages marked {@code Wire}. */
public final class WireSerializer extends JSerializer implements ByteBufferSerializer {
  private static final int FIRST_NUMBER = 100;

  /** Messages nest some ten deep; without a bound, bytes could nest until the stack ends. */
  private static final int DEEPEST = 40;

  private final ThreadLocal<Kryo> kryos;

  /** Made by Pekko. */
  public WireSerializer(ExtendedActorSystem system) {
    List<Class<?>> classes = WireTypes.of(system.settings().config()).classes();
    ActorRefResolver resolver = ActorRefResolver.get(Adapter.toTyped(system));
    kryos = ThreadLocal.withInitial(() -> kryo(classes, resolver));
  }

  private static Kryo kryo(List<Class<?>> classes, ActorRefResolver resolver) {
    Kryo kryo = new Kryo(new ByNumber(), null);
    kryo.setRegistrationRequired(true);
    kryo.setReferences(false);
    kryo.setMaxDepth(DEEPEST);
    kryo.register(String.class, new CheckedSerializers.Strings());
    kryo.register(ArrayList.class, new CheckedSerializers.Lists<>(ArrayList::new), 20);
    kryo.register(List.of().getClass(), new CheckedSerializers.Lists<>(List::copyOf), 21);
    kryo.register(List.of(1).getClass(), new CheckedSerializers.Lists<>(List::copyOf), 22);
    kryo.register(Map.of().getClass(), new CheckedSerializers.Maps<>(Map::copyOf), 23);
    kryo.register(Map.of(1, 1).getClass(), new CheckedSerializers.Maps<>(Map::copyOf), 24);
    kryo.register(TreeMap.class, new CheckedSerializers.Maps<>(TreeMap::new), 25);
    kryo.register(LinkedHashMap.class, new CheckedSerializers.Maps<>(LinkedHashMap::new), 26);
    kryo.register(HashMap.class, new CheckedSerializers.Maps<>(HashMap::new), 31);
    kryo.register(Optional.class, new OptionalSerializers.OptionalSerializer(), 27);
    kryo.register(OptionalDouble.class, new OptionalSerializers.OptionalDoubleSerializer(), 28);
    kryo.register(OptionalInt.class, new OptionalSerializers.OptionalIntSerializer(), 29);
    kryo.register(referenceType(), new References(resolver), 30);
    int number = FIRST_NUMBER;
    for (Class<?> type : classes) {
      if (type == TokenIds.class) {
        kryo.register(type, new CheckedSerializers.Ids(), number++);
      } else if (type == Floats.class) {
        kryo.register(type, new CheckedSerializers.Vectors(), number++);
      } else {
        kryo.register(type, number++);
      }
    }
    return kryo;
  }

  /** The one class behind {@link ActorRef}, which Pekko keeps to itself. */
  private static Class<?> referenceType() {
    try {
      return Class.forName("org.apache.pekko.actor.typed.internal.adapter.ActorRefAdapter");
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public int identifier() {
    return 7_701_893;
  }

  @Override
  public boolean includeManifest() {
    return false;
  }

  @Override
  public byte[] toBinary(Object message) {
    Output output = new Output(1024, -1);
    kryos.get().writeClassAndObject(output, message);
    return output.toBytes();
  }

  /** Artery's way: straight into the buffer that is sent. */
  @Override
  public void toBinary(Object message, ByteBuffer buffer) {
    try {
      kryos.get().writeClassAndObject(new ByteBufferOutput(buffer), message);
    } catch (KryoBufferOverflowException e) {
      BufferOverflowException full = new BufferOverflowException();
      full.initCause(e);
      throw full;
    }
  }

  @Override
  public Object fromBinaryJava(byte[] bytes, Class<?> manifest) {
    return read(new Input(bytes));
  }

  @Override
  public Object fromBinary(ByteBuffer buffer, String manifest) {
    return read(new ByteBufferInput(buffer));
  }

  private Object read(Input input) {
    Object message = kryos.get().readClassAndObject(input);
    if (message == null) {
      throw new KryoException("empty message");
    }
    return message;
  }

  /** Classes have numbers; one that comes by its name is refused before the name is read. */
  private static final class ByNumber extends DefaultClassResolver {
    @Override
    protected Registration readName(Input input) {
      throw new KryoException("a class by its name");
    }
  }

  /** Actor references travel as their addresses. */
  private static final class References extends Serializer<ActorRef<?>> {
    private final ActorRefResolver resolver;

    References(ActorRefResolver resolver) {
      this.resolver = resolver;
    }

    @Override
    public void write(Kryo kryo, Output output, ActorRef<?> reference) {
      output.writeString(resolver.toSerializationFormat(reference));
    }

    @Override
    public ActorRef<?> read(Kryo kryo, Input input, Class<? extends ActorRef<?>> type) {
      return resolver.resolveActorRef(CheckedSerializers.Strings.string(input));
    }
  }
}
