package dev.troupe.protocol.kryo;

import com.esotericsoftware.kryo.kryo5.Kryo;
import com.esotericsoftware.kryo.kryo5.KryoException;
import com.esotericsoftware.kryo.kryo5.Serializer;
import com.esotericsoftware.kryo.kryo5.io.ByteBufferInput;
import com.esotericsoftware.kryo.kryo5.io.ByteBufferOutput;
import com.esotericsoftware.kryo.kryo5.io.Input;
import com.esotericsoftware.kryo.kryo5.io.KryoBufferOverflowException;
import com.esotericsoftware.kryo.kryo5.io.Output;
import com.esotericsoftware.kryo.kryo5.serializers.ImmutableCollectionsSerializers;
import com.esotericsoftware.kryo.kryo5.serializers.OptionalSerializers;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.TokenIds;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.ByteBufferSerializer;
import org.apache.pekko.serialization.JSerializer;

/** Pekko's serializer for messages marked {@code Wire}. */
public final class WireSerializer extends JSerializer implements ByteBufferSerializer {
  private static final int FIRST_NUMBER = 100;

  private final ThreadLocal<Kryo> kryos;

  /** Made by Pekko. */
  public WireSerializer(ExtendedActorSystem system) {
    List<Class<?>> classes = new ArrayList<>(new ProtocolRegistrations().classes());
    for (String name : system.settings().config().getStringList("troupe.kryo.registrations")) {
      classes.addAll(registrations(name).classes());
    }
    ActorRefResolver resolver = ActorRefResolver.get(Adapter.toTyped(system));
    kryos = ThreadLocal.withInitial(() -> kryo(classes, resolver));
  }

  private static KryoRegistrations registrations(String name) {
    try {
      return Class.forName(name)
          .asSubclass(KryoRegistrations.class)
          .getDeclaredConstructor()
          .newInstance();
    } catch (ReflectiveOperationException e) {
      throw new IllegalArgumentException(
          "troupe.kryo.registrations names " + name + ", which cannot be made: " + e, e);
    }
  }

  private static Kryo kryo(List<Class<?>> classes, ActorRefResolver resolver) {
    Kryo kryo = new Kryo();
    kryo.setRegistrationRequired(true);
    kryo.setReferences(false);
    ImmutableCollectionsSerializers.addDefaultSerializers(kryo);
    kryo.register(ArrayList.class, 20);
    kryo.register(List.of().getClass(), 21);
    kryo.register(List.of(1).getClass(), 22);
    kryo.register(java.util.Map.of().getClass(), 23);
    kryo.register(java.util.Map.of(1, 1).getClass(), 24);
    kryo.register(java.util.TreeMap.class, 25);
    kryo.register(java.util.LinkedHashMap.class, 26);
    kryo.register(java.util.HashMap.class, 31);
    kryo.register(Optional.class, new OptionalSerializers.OptionalSerializer(), 27);
    kryo.register(OptionalDouble.class, new OptionalSerializers.OptionalDoubleSerializer(), 28);
    kryo.register(OptionalInt.class, new OptionalSerializers.OptionalIntSerializer(), 29);
    kryo.register(referenceType(), new References(resolver), 30);
    int number = FIRST_NUMBER;
    for (Class<?> type : classes) {
      if (type == TokenIds.class) {
        kryo.register(type, new Ids(), number++);
      } else if (type == Floats.class) {
        kryo.register(type, new Vectors(), number++);
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

  private static final class Ids extends Serializer<TokenIds> {
    @Override
    public void write(Kryo kryo, Output output, TokenIds ids) {
      output.writeInt(ids.size(), true);
      output.writeInts(ids.values(), 0, ids.size(), true);
    }

    @Override
    public TokenIds read(Kryo kryo, Input input, Class<? extends TokenIds> type) {
      return new TokenIds(input.readInts(input.readInt(true), true));
    }
  }

  private static final class Vectors extends Serializer<Floats> {
    @Override
    public void write(Kryo kryo, Output output, Floats floats) {
      output.writeInt(floats.size(), true);
      output.writeFloats(floats.values(), 0, floats.size());
    }

    @Override
    public Floats read(Kryo kryo, Input input, Class<? extends Floats> type) {
      return new Floats(input.readFloats(input.readInt(true)));
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
      return resolver.resolveActorRef(input.readString());
    }
  }
}
